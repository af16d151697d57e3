package mixer

import "math"

// The whole network, forwards and backwards, is one operation: add some rows of a matrix, each times a number. Most
// columns are zero and about half the units are silent, so the rows come as a list, and eight sums stay in registers
// while the list is walked.

// gatherPlain adds to the eight numbers at acc, for each entry of the list, value times the eight numbers of m at offset. A row
// comes in two halves, each with a capacity: that saves arithmetic on pointers, and the compiler then keeps all sums in
// registers, which it does not when it sees eight products at once (a fifth slower).
func gatherPlain(offsets []int32, values, m []float32, acc *[lanes]float32) {
	values = values[:len(offsets)]
	a0, a1, a2, a3, a4, a5, a6, a7 := acc[0], acc[1], acc[2], acc[3], acc[4], acc[5], acc[6], acc[7]
	for i, o := range offsets {
		x, k := values[i], int(uint32(o))
		row := m[k : k+4 : k+4]
		a0 += x * row[0]
		a1 += x * row[1]
		a2 += x * row[2]
		a3 += x * row[3]
		row = m[k+4 : k+8 : k+8]
		a4 += x * row[0]
		a5 += x * row[1]
		a6 += x * row[2]
		a7 += x * row[3]
	}
	acc[0], acc[1], acc[2], acc[3] = a0, a1, a2, a3
	acc[4], acc[5], acc[6], acc[7] = a4, a5, a6, a7
}

// gatherLanes is gatherPlain for as many numbers as out has.
func gatherLanes(offsets []int32, values, m, out []float32) {
	for j := 0; j+lanes <= len(out); j += lanes {
		gatherPlain(offsets, values, m[j:], (*[lanes]float32)(out[j:]))
	}
}

// accumulate adds the listed rows of m to out, whose length is a multiple of lanes.
func accumulate(offsets []int32, values, m, out []float32) {
	if len(offsets) == 0 {
		return
	}
	gather(offsets, values, m, out)
}

// layer writes the rectified sums of base and the listed rows of m to out.
func layer(offsets []int32, values, m, base, out []float32) {
	copy(out, base)
	gather(offsets, values, m, out)
	for i, v := range out {
		out[i] = rectify(v)
	}
}

// rectify returns v, or 0 for a negative one, without the branch of max, which looks for numbers that are none.
func rectify(v float32) float32 {
	bits := math.Float32bits(v)
	return math.Float32frombits(bits &^ uint32(int32(bits)>>31))
}

// active lists the values that are not zero, with the offsets of their rows in a matrix of the given stride, and returns
// how many they are. The lists are as long as values. There is no branch on a value: it would be mispredicted.
func active(values []float32, stride int, offsets []int32, list []float32) int {
	offsets, list = offsets[:len(values)], list[:len(values)]
	n, o := 0, int32(0)
	for _, v := range values {
		offsets[n], list[n] = o, v
		if v != 0 {
			n++
		}
		o += int32(stride)
	}
	return n
}

// axpy adds a times x to y.
func axpy(a float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += a * v
	}
}

// grow returns a slice of n values; what they are is left open.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n+n/4)[:n]
	}
	return s[:n]
}
