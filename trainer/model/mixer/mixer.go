package mixer

import (
	"fmt"
	"math"
)

// Bounds of a mixer's shape; they let the scoring loops work on the stack.
const (
	MaxColumns = 64 // item columns, and context columns
	MaxHidden  = 64 // hidden units
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
	weight weights // of standardised columns
	raw    weights // the same function of raw columns, which is what Scores uses
}

// weights are the parameters in one flat slice, with names for its parts.
type weights struct {
	flat   []float64
	linear []float64 // by item column
	input  []float64 // hidden layer: column-major, item columns then context columns, each hidden wide
	bias   []float64 // by hidden unit
	output []float64 // by hidden unit
	hidden int
}

func newWeights(l Layout, hidden int) weights {
	columns := len(l.Item) + len(l.Context)
	return weightsOn(make([]float64, len(l.Item)+(columns+2)*hidden), l, hidden)
}

// weightsOn gives the parts of flat their names.
func weightsOn(flat []float64, l Layout, hidden int) weights {
	w := weights{flat: flat, hidden: hidden}
	take := func(n int) []float64 {
		part := flat[:n:n]
		flat = flat[n:]
		return part
	}
	w.linear = take(len(l.Item))
	w.input = take((len(l.Item) + len(l.Context)) * hidden)
	w.bias = take(hidden)
	w.output = take(hidden)
	return w
}

// row returns the weights from column f into the hidden layer.
func (w weights) row(f int) []float64 { return w.input[f*w.hidden : (f+1)*w.hidden] }

// Linear returns a mixer without a hidden layer: the weighted sum of the raw item columns. It is how a mixer starts
// before any fit.
func Linear(l Layout, byItem []float64) (*Mixer, error) {
	if len(byItem) != len(l.Item) {
		return nil, fmt.Errorf("linear mixer: %d weights for %d item columns", len(byItem), len(l.Item))
	}
	w := newWeights(l, 0)
	copy(w.linear, byItem)
	return build(l, unitScale(l), w)
}

// build checks the parts and precomputes the raw weights.
func build(l Layout, s scale, w weights) (*Mixer, error) {
	if err := l.validate(); err != nil {
		return nil, fmt.Errorf("mixer: %w", err)
	}
	if w.hidden > MaxHidden {
		return nil, fmt.Errorf("mixer: %d hidden units, want at most %d", w.hidden, MaxHidden)
	}
	m := &Mixer{layout: l, scale: s, weight: w, raw: s.fold(l, w)}
	for _, part := range [][]float64{s.mean, s.dev, w.flat, m.raw.flat} {
		for _, v := range part {
			if math.IsNaN(v) || math.IsInf(v, 0) {
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
	var base [MaxHidden]float64
	m.raw.contextSum(context, len(m.layout.Item), &base)
	f := len(m.layout.Item)
	for i := range out {
		out[i] = m.raw.score(items[i*f:(i+1)*f], &base)
	}
}

// Effects writes to out, for each group of item columns, how much the group moves the score of one candidate: its score
// less the score it would have with those columns at their mean.
func (m *Mixer) Effects(context, item []float32, groups [][]int, out []float64) {
	var base [MaxHidden]float64
	m.raw.contextSum(context, len(m.layout.Item), &base)
	whole := m.raw.score(item, &base)
	var changed [MaxColumns]float32
	row := changed[:len(item)]
	for g, columns := range groups {
		copy(row, item)
		for _, f := range columns {
			row[f] = float32(m.scale.mean[f])
		}
		out[g] = whole - m.raw.score(row, &base)
	}
}

// contextSum is what the hidden layer gets from the bias and the context columns.
func (w weights) contextSum(context []float32, items int, sum *[MaxHidden]float64) {
	copy(sum[:], w.bias)
	for c, x := range context {
		for j, v := range w.row(items + c) {
			sum[j] += float64(x) * v
		}
	}
}

// score is the linear part plus the hidden layer. Most columns of most candidates are zero, so zeros are skipped.
func (w weights) score(item []float32, base *[MaxHidden]float64) float64 {
	sum := 0.0
	hidden := *base
	h := hidden[:w.hidden]
	for f, v := range item {
		if v == 0 {
			continue
		}
		x := float64(v)
		sum += x * w.linear[f]
		row := w.row(f)[:len(h)]
		for j := range h {
			h[j] += x * row[j]
		}
	}
	for j, v := range h {
		if v > 0 {
			sum += v * w.output[j]
		}
	}
	return sum
}
