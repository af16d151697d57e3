package mixer

import "fmt"

// Bounds of a mixer's shape; they let the scoring loops work on the stack.
const (
	MaxColumns = 128 // item columns, and context columns
	MaxHidden  = 64  // units of a hidden layer
)

// Layout names the columns a mixer reads, in order.
type Layout struct {
	Item    []string `json:"item"`    // one value per candidate
	Context []string `json:"context"` // one value per request
}

func (l Layout) validate() error {
	if n := len(l.Item); n < 1 || n > MaxColumns {
		return fmt.Errorf("layout has %d item columns, want 1 to %d", n, MaxColumns)
	}
	if n := len(l.Context); n > MaxColumns {
		return fmt.Errorf("layout has %d context columns, want at most %d", n, MaxColumns)
	}
	return nil
}

// Mixer is a fitted (or hand-set) score. It is immutable.
type Mixer struct {
	layout Layout
	scale  scale
	stand  standard
	weight weights // of standardised columns
}

// Linear returns a mixer without a hidden layer: the weighted sum of the raw item columns. It is how a mixer starts
// before any fit.
func Linear(l Layout, byItem []float64) (*Mixer, error) {
	if len(byItem) != len(l.Item) {
		return nil, fmt.Errorf("linear mixer: %d weights for %d item columns", len(byItem), len(l.Item))
	}
	w := newWeights(newShape(l, 0, 0))
	for f, v := range byItem {
		w.linear[f] = float32(v)
	}
	return build(l, unitScale(l), w)
}

// build checks the parts.
func build(l Layout, s scale, w weights) (*Mixer, error) {
	if err := l.validate(); err != nil {
		return nil, fmt.Errorf("mixer: %w", err)
	}
	if w.hidden > MaxHidden || w.hidden2 > MaxHidden {
		return nil, fmt.Errorf("mixer: %d and %d hidden units, want at most %d", w.hidden, w.hidden2, MaxHidden)
	}
	m := &Mixer{layout: l, scale: s, stand: s.standard(), weight: w}
	for _, part := range [][]float32{m.stand.mean, m.stand.inverse, w.flat} {
		for _, v := range part {
			if v-v != 0 { // NaN and the infinities
				return nil, fmt.Errorf("mixer: a weight is %v", v)
			}
		}
	}
	return m, nil
}

// Layout names the columns the mixer reads.
func (m *Mixer) Layout() Layout { return m.layout }

// Scores writes the score of every candidate to out: context holds the context columns, items the item columns row by
// row (len(out) rows). Scores of one request compare with each other only.
func (m *Mixer) Scores(context, items []float32, out []float64) {
	var s scoring
	s.start(m, context)
	f := len(m.layout.Item)
	for i := range out {
		n := m.stand.list(items[i*f:(i+1)*f], m.weight.wide(), s.columns[:], s.offsets[:], s.values[:])
		out[i] = s.score(m, n)
	}
}

// Effects writes to out, for each group of item columns, how much the group moves the score of one candidate: its score
// less the score it would have with those columns at their mean.
func (m *Mixer) Effects(context, item []float32, groups [][]int, out []float64) {
	var s scoring
	s.start(m, context)
	var changed [MaxColumns]float32
	row := changed[:len(item)]
	score := func() float64 {
		return s.score(m, m.stand.list(row, m.weight.wide(), s.columns[:], s.offsets[:], s.values[:]))
	}
	copy(row, item)
	whole := score()
	for g, columns := range groups {
		copy(row, item)
		for _, f := range columns {
			row[f] = m.stand.mean[f]
		}
		out[g] = whole - score()
	}
}

// scoring is the memory that scoring a request needs; it lives on the stack.
type scoring struct {
	base          [MaxHidden]float32 // what the first layer gets from its bias and the context columns
	first, second [MaxHidden]float32 // the layers of one candidate
	columns       [MaxColumns]uint8  // its columns that are not zero,
	offsets       [MaxColumns]int32  // their rows
	values        [MaxColumns]float32
	heard         [MaxHidden]int32 // rows of the units of the first layer that are not silent,
	loud          [MaxHidden]float32
}

func (s *scoring) start(m *Mixer, context []float32) {
	w := m.weight
	if w.hidden == 0 {
		return // it would hear nothing
	}
	copy(s.base[:], w.bias)
	for c, x := range context {
		f := w.items + c
		axpy(m.stand.of(f, x), w.row(f), s.base[:])
	}
}

// score is the score of the candidate whose n columns are listed.
func (s *scoring) score(m *Mixer, n int) float64 {
	w := &m.weight
	sum := w.say(s.columns[:n], s.values[:n])
	if w.hidden == 0 {
		return sum
	}
	last := s.first[:w.wide()]
	layer(s.offsets[:n], s.values[:n], w.input, s.base[:], last)
	if w.hidden2 > 0 {
		k := active(last, w.wide2(), s.heard[:], s.loud[:])
		last = s.second[:w.wide2()]
		layer(s.heard[:k], s.loud[:k], w.inner, w.bias2, last)
	}
	return sum + float64(dot(last, w.output))
}

// say is the linear part for the listed columns. It adds in double precision: a hand-set weight may exceed another a
// million times, to put first what both speak for.
func (w *weights) say(columns []uint8, values []float32) float64 {
	values = values[:len(columns)]
	a, b := 0.0, 0.0
	for i, f := range columns {
		if p := float64(values[i]) * float64(w.linear[f]); i&1 == 0 {
			a += p
		} else {
			b += p
		}
	}
	return a + b
}

// dot is the scalar product of x and y, whose length is a multiple of lanes.
func dot(x, y []float32) float32 {
	var a, b, c, d float32
	for len(x) >= lanes && len(y) >= lanes {
		p, q := (*[lanes]float32)(x), (*[lanes]float32)(y)
		a += p[0]*q[0] + p[4]*q[4]
		b += p[1]*q[1] + p[5]*q[5]
		c += p[2]*q[2] + p[6]*q[6]
		d += p[3]*q[3] + p[7]*q[7]
		x, y = x[lanes:], y[lanes:]
	}
	return (a + b) + (c + d)
}
