package mixer

import (
	"slices"
)

// scale standardises the columns: (x - mean) / dev, or 0 for a column that did not vary (dev 0). A column that is zero
// more often than not keeps its zero (mean 0) and is divided by the root mean square of its other values.
type scale struct {
	mean, dev []float64 // item columns, then context columns
}

func unitScale(l Layout) scale {
	n := len(l.Item) + len(l.Context)
	return scale{mean: make([]float64, n), dev: slices.Repeat([]float64{1}, n)}
}

func (s scale) clone() scale { return scale{mean: slices.Clone(s.mean), dev: slices.Clone(s.dev)} }

// inverse is what column f is multiplied with.
func (s scale) inverse(f int) float64 {
	if s.dev[f] == 0 {
		return 0
	}
	return 1 / s.dev[f]
}

// restate returns weights of columns standardised by next that give the score w gives from columns standardised by s,
// up to one constant that is equal for all candidates and to rounding.
func (s scale) restate(w weights, next scale) weights {
	out := w.clone()
	bias := make([]float64, w.wide())
	for f := range next.mean {
		stretch, shift := next.dev[f]*s.inverse(f), (next.mean[f]-s.mean[f])*s.inverse(f)
		if f < w.items {
			out.linear[f] = float32(float64(w.linear[f]) * stretch)
		}
		for j, v := range w.row(f) {
			bias[j] += float64(v) * shift
			out.row(f)[j] = float32(float64(v) * stretch)
		}
	}
	for j, v := range bias {
		out.bias[j] = float32(float64(w.bias[j]) + v)
	}
	return out
}

// standard is a scale as the loops use it.
type standard struct {
	mean, inverse []float32
}

func (s scale) standard() standard {
	out := standard{mean: make([]float32, len(s.mean)), inverse: make([]float32, len(s.mean))}
	for f := range s.mean {
		out.mean[f], out.inverse[f] = float32(s.mean[f]), float32(s.inverse(f))
	}
	return out
}

// of is the standardised value of x in column f.
func (s standard) of(f int, x float32) float32 { return (x - s.mean[f]) * s.inverse[f] }

// list writes the item columns of one candidate that are not zero once standardised: which they are, where their rows
// lie in a matrix of the given stride, and their values. It returns how many they are. The lists are as long as raw.
func (s standard) list(raw []float32, stride int, columns []uint8, offsets []int32, values []float32) int {
	mean, inverse := s.mean[:len(raw)], s.inverse[:len(raw)]
	columns, offsets, values = columns[:len(raw)], offsets[:len(raw)], values[:len(raw)]
	n, o := 0, int32(0)
	for f, x := range raw {
		v := (x - mean[f]) * inverse[f]
		columns[n], offsets[n], values[n] = uint8(f), o, v
		if v != 0 {
			n++
		}
		o += int32(stride)
	}
	return n
}
