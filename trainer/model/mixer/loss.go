package mixer

import "math"

// trainer holds the buffers of a fit. All its arithmetic is on standardised columns.
type trainer struct {
	layout Layout
	scale  scale
	w      weights
	grad   weights

	context []float64 // standardised context columns of the case in hand
	items   []float64 // standardised item columns, row by row
	hidden  []float64 // rectified hidden units, row by row
	scores  []float64
}

// loss returns the cross-entropy of c, summed over its interactions, in nats; with back it also adds the gradient to
// t.grad.
func (t *trainer) loss(c Case, back bool) float64 {
	t.forward(c)
	lines, loss := c.lines(), 0.0
	for i, n := range c.Targets {
		loss -= float64(n) * t.scores[i]
	}
	for i, n := range c.Stands {
		t.scores[i] += math.Log(float64(n)) // n candidates like this one
	}
	loss += lines * softmax(t.scores)
	if back {
		for i, n := range c.Targets {
			t.scores[i] = lines*t.scores[i] - float64(n) // d loss / d score
		}
		t.backward()
	}
	return loss
}

func (t *trainer) forward(c Case) {
	f, h := len(t.layout.Item), t.w.hidden
	n := len(c.Targets)
	t.context, t.items = resize(t.context, len(c.Context)), resize(t.items, len(c.Items))
	t.hidden, t.scores = resize(t.hidden, n*h), resize(t.scores, n)
	t.scale.standardise(f, c.Context, t.context)
	base := make([]float64, h)
	copy(base, t.w.bias)
	for k, x := range t.context {
		axpy(x, t.w.row(f+k), base)
	}
	for i := range n {
		item, hid := t.items[i*f:(i+1)*f], t.hidden[i*h:(i+1)*h]
		t.scale.standardise(0, c.Items[i*f:(i+1)*f], item)
		copy(hid, base)
		sum := 0.0
		for k, x := range item {
			if x != 0 {
				sum += x * t.w.linear[k]
				axpy(x, t.w.row(k), hid)
			}
		}
		for j, v := range hid {
			hid[j] = max(v, 0)
			sum += hid[j] * t.w.output[j]
		}
		t.scores[i] = sum
	}
}

// backward adds the gradient of the case in hand, with d loss / d score in t.scores.
func (t *trainer) backward() {
	f, h := len(t.layout.Item), t.w.hidden
	delta, all := make([]float64, h), make([]float64, h)
	for i, d := range t.scores {
		item, hid := t.items[i*f:(i+1)*f], t.hidden[i*h:(i+1)*h]
		axpy(d, hid, t.grad.output)
		for j, v := range hid {
			delta[j] = 0
			if v > 0 {
				delta[j] = d * t.w.output[j]
				all[j] += delta[j]
			}
		}
		for k, x := range item {
			if x != 0 {
				t.grad.linear[k] += d * x
				axpy(x, delta, t.grad.row(k))
			}
		}
	}
	axpy(1, all, t.grad.bias)
	for k, x := range t.context {
		axpy(x, all, t.grad.row(f+k))
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
	for i := range scores {
		scores[i] /= sum
	}
	return top + math.Log(sum)
}

func axpy(a float64, x, y []float64) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += a * v
	}
}

func resize(s []float64, n int) []float64 {
	if cap(s) < n {
		return make([]float64, n)
	}
	return s[:n]
}
