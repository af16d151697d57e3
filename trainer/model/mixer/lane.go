package mixer

import "math"

// model is a network with the scale of its columns, as a fit moves it.
type model struct {
	layout Layout
	scale  scale
	stand  standard
	w      weights
}

func newModel(l Layout, s scale, w weights) model {
	return model{layout: l, scale: s, stand: s.standard(), w: w}
}

// lane is the memory one goroutine of a fit works in: what the network said about the case in hand, and the gradient of
// all its cases since the last step.
type lane struct {
	grad  weights
	turn  []float32 // the inner layer with rows and columns exchanged, as the way back wants it
	base  []float32 // what the first layer gets from its bias and the context columns
	heard []float32 // standardised context columns

	ends    []int32 // by candidate: where its entries of the three lists end
	columns []uint8 // item columns that are not zero, candidate by candidate,
	offsets []int32 // their rows in the first layer
	values  []float32
	first   []float32 // the layers, candidate by candidate
	second  []float32
	scores  []float64
	pull    []float32 // d loss / d score
	loud    [MaxHidden]float32
	rows    [MaxHidden]int32
	back    backward
}

func newLane(s shape) *lane {
	return &lane{grad: newWeights(s), base: make([]float32, s.wide()), heard: make([]float32, s.context),
		turn: make([]float32, s.wide()*s.wide2()), back: newBackward(s)}
}

// begin readies the lane for the cases of a step.
func (l *lane) begin(w weights) {
	clear(l.grad.flat)
	wide, wide2 := w.wide(), w.wide2()
	for k := range wide {
		for j := range wide2 {
			l.turn[j*wide+k] = w.inner[k*wide2+j]
		}
	}
}

// loss returns the cross-entropy of c, summed over its interactions, in nats; with back it also adds the gradient, times
// weight, to l.grad.
func (l *lane) loss(m *model, c Case, weight float64, back bool) float64 {
	l.forward(m, c)
	lines, loss := c.lines(), 0.0
	for i, n := range c.Targets {
		if n != 0 {
			loss -= float64(n) * l.scores[i]
		}
	}
	for i, n := range c.Stands {
		if n != 1 {
			l.scores[i] += math.Log(float64(n)) // n candidates like this one
		}
	}
	loss += lines * softmax(l.scores)
	if back {
		l.pull = grow(l.pull, len(l.scores))
		for i, n := range c.Targets {
			l.pull[i] = float32(weight * (lines*l.scores[i] - float64(n)))
		}
		l.backward(m)
	}
	return loss
}

func (l *lane) forward(m *model, c Case) {
	w, n := &m.w, len(c.Targets)
	wide, wide2 := w.wide(), w.wide2()
	l.listen(m, c)
	l.ends, l.scores = grow(l.ends, n), grow(l.scores, n)
	l.first, l.second = grow(l.first, n*wide), grow(l.second, n*wide2)
	size := len(c.Items)
	l.columns, l.offsets, l.values = grow(l.columns, size), grow(l.offsets, size), grow(l.values, size)
	from := 0
	for i := range n {
		end := from + m.stand.list(c.Items[i*w.items:(i+1)*w.items], wide, l.columns[from:], l.offsets[from:], l.values[from:])
		sum := w.say(l.columns[from:end], l.values[from:end])
		if wide > 0 {
			last := l.first[i*wide : (i+1)*wide]
			layer(l.offsets[from:end], l.values[from:end], w.input, l.base, last)
			if wide2 > 0 {
				k := active(last, wide2, l.rows[:], l.loud[:])
				last = l.second[i*wide2 : (i+1)*wide2]
				layer(l.rows[:k], l.loud[:k], w.inner, w.bias2, last)
			}
			sum += float64(dot(last, w.output))
		}
		l.scores[i], l.ends[i], from = sum, int32(end), end
	}
}

// listen sums what is equal for all candidates.
func (l *lane) listen(m *model, c Case) {
	copy(l.base, m.w.bias)
	for k, x := range c.Context {
		f := m.w.items + k
		l.heard[k] = m.stand.of(f, x)
		axpy(l.heard[k], m.w.row(f), l.base)
	}
}

// softmax turns scores into probabilities in place and returns the log of their normaliser.
func softmax(scores []float64) float64 {
	top := math.Inf(-1)
	for _, s := range scores {
		top = max(top, s)
	}
	sum := 0.0
	for i, s := range scores {
		scores[i] = math.Exp(s - top)
		sum += scores[i]
	}
	inverse := 1 / sum
	for i := range scores {
		scores[i] *= inverse
	}
	return top + math.Log(sum)
}
