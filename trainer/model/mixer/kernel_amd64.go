package mixer

import "golang.org/x/sys/cpu"

// gather adds to out, whose length is a multiple of lanes, the listed rows of m, each times its value. With AVX it does so eight numbers at a
// time, in the order of the plain loop and without fused products: the sums are the same to the last bit, so a model does not depend
// on the processor that fitted it.
func gather(offsets []int32, values, m, out []float32) {
	if !cpu.X86.HasAVX || len(offsets) == 0 {
		gatherLanes(offsets, values, m, out)
		return
	}
	values = values[:len(offsets)]
	last := 0
	for _, o := range offsets {
		last = max(last, int(o))
	}
	_ = m[last+len(out)-1] // the kernels do not look
	j := 0
	for ; j+3*lanes <= len(out); j += 3 * lanes {
		gather24(&offsets[0], &values[0], len(offsets), &m[j], &out[j])
	}
	for ; j+lanes <= len(out); j += lanes {
		gather8(&offsets[0], &values[0], len(offsets), &m[j], &out[j])
	}
}

// gather8 adds to the 8 numbers at acc, for each of n offsets, its value times the 8 numbers of m there.
//
//go:noescape
func gather8(offsets *int32, values *float32, n int, m, acc *float32)

// gather24 is gather8 for 24 numbers.
//
//go:noescape
func gather24(offsets *int32, values *float32, n int, m, acc *float32)
