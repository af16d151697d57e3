package sequence

import "math"

// expLanes is how many sums SumExp keeps side by side.
const expLanes = 8

// SumExp is the sum of Exp(x - top) over xs, of which none is above top. Element i goes to sum i mod 8 of eight, whatever the
// processor. On amd64 they are made eight at a time where there is AVX2, and the result is the same to the last bit as without. Elsewhere, on arm64 for example, the
// compiler may fuse x*y + z, and the last bits differ from those of amd64.
func SumExp(xs []float32, top float32) float32 {
	var acc [expLanes]float32
	whole := len(xs) &^ (expLanes - 1)
	sumExp(xs[:whole], top, &acc)
	for i, x := range xs[whole:] {
		acc[i] += Exp(x - top)
	}
	return (acc[0] + acc[4]) + (acc[1] + acc[5]) + ((acc[2] + acc[6]) + (acc[3] + acc[7]))
}

// sumExpPlain adds to acc what the elements of xs, a multiple of expLanes, bring to each sum.
func sumExpPlain(xs []float32, top float32, acc *[expLanes]float32) {
	for len(xs) >= expLanes {
		for j, x := range xs[:expLanes] {
			acc[j] += Exp(x - top)
		}
		xs = xs[expLanes:]
	}
}

// MaxOf is the largest of xs, which holds at least one number and no NaN.
func MaxOf(xs []float32) float32 {
	a, b, c, d := xs[0], xs[0], xs[0], xs[0]
	for ; len(xs) >= 4; xs = xs[4:] {
		a, b, c, d = larger(a, xs[0]), larger(b, xs[1]), larger(c, xs[2]), larger(d, xs[3])
	}
	for _, x := range xs {
		a = larger(a, x)
	}
	return larger(larger(a, b), larger(c, d))
}

// larger is max without its care for NaN and negative zero, which costs a branch.
func larger(a, b float32) float32 {
	if a > b {
		return a
	}
	return b
}

// LogSumExp is the logarithm of the sum of the exponentials of xs, of which there is at least one, in blocks whose sums a float32 holds
// well enough: relative error below 1e-6.
func LogSumExp(xs []float32) float64 {
	const block = 256
	top, sum := MaxOf(xs), 0.0
	for rest := xs; len(rest) > 0; rest = rest[min(block, len(rest)):] {
		sum += float64(SumExp(rest[:min(block, len(rest))], top))
	}
	return float64(top) + math.Log(sum)
}
