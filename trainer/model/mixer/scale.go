package mixer

import (
	"math"
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

// measure returns the scale of the columns in cases: item columns weigh by candidate, context columns by case.
func measure(l Layout, cases []Case) scale {
	n := len(l.Item) + len(l.Context)
	m := moments{n: make([]float64, n), zeros: make([]float64, n), sum: make([]float64, n), squares: make([]float64, n)}
	for _, c := range cases {
		for i, v := range c.Items {
			m.add(i%len(l.Item), float64(v))
		}
		for i, v := range c.Context {
			m.add(len(l.Item)+i, float64(v))
		}
	}
	s := scale{mean: make([]float64, n), dev: make([]float64, n)}
	for f := range n {
		s.mean[f], s.dev[f] = m.scale(f)
	}
	return s
}

// moments are running sums by column.
type moments struct{ n, zeros, sum, squares []float64 }

func (m moments) add(f int, v float64) {
	m.n[f]++
	if v == 0 {
		m.zeros[f]++
	}
	m.sum[f] += v
	m.squares[f] += v * v
}

func (m moments) scale(f int) (mean, dev float64) {
	const flat = 1e-6 // a column that varies less than this beside its size is constant but for rounding
	if used := m.n[f] - m.zeros[f]; used == 0 {
		return 0, 0
	} else if m.zeros[f] > used {
		return 0, math.Sqrt(m.squares[f] / used)
	}
	mean = m.sum[f] / m.n[f]
	dev = math.Sqrt(max(m.squares[f]/m.n[f]-mean*mean, 0))
	if dev <= flat*max(math.Abs(mean), 1) {
		return mean, 0
	}
	return mean, dev
}

// fold returns weights that give from raw columns the score that w gives from standardised ones, up to one constant
// that is equal for all candidates.
func (s scale) fold(l Layout, w weights) weights {
	raw := newWeights(l, w.hidden)
	copy(raw.bias, w.bias)
	copy(raw.output, w.output)
	for f := range s.mean {
		inv := s.inverse(f)
		if f < len(l.Item) {
			raw.linear[f] = w.linear[f] * inv
		}
		for j, v := range w.row(f) {
			raw.row(f)[j] = v * inv
			raw.bias[j] -= v * inv * s.mean[f]
		}
	}
	return raw
}

// restate returns weights of columns standardised by next that give the score w gives from columns standardised by s,
// up to one constant.
func (s scale) restate(l Layout, w weights, next scale) weights {
	out := s.fold(l, w)
	for f := range next.mean {
		if f < len(l.Item) {
			out.linear[f] *= next.dev[f]
		}
		row := out.row(f)
		for j, v := range row {
			out.bias[j] += v * next.mean[f]
			row[j] = v * next.dev[f]
		}
	}
	return out
}

// standardise writes the standardised values of raw to out; the first of them is column f.
func (s scale) standardise(f int, raw []float32, out []float64) {
	for i, v := range raw {
		out[i] = (float64(v) - s.mean[f+i]) * s.inverse(f+i)
	}
}

func (s scale) inverse(f int) float64 {
	if s.dev[f] == 0 {
		return 0
	}
	return 1 / s.dev[f]
}
