package mixer

import "slices"

// lanes is how many units the kernels handle at once. The layers are stored padded to a multiple of it with units that
// say nothing and hear nothing, and so never learn anything.
const lanes = 8

func padded(units int) int { return (units + lanes - 1) / lanes * lanes }

// shape is the size of a network.
type shape struct{ items, context, hidden, hidden2 int }

// weights are the parameters in one flat slice, with names for its parts.
type weights struct {
	shape
	flat   []float32
	linear []float32 // by item column
	input  []float32 // by column, item columns then context columns, each wide(hidden) long
	bias   []float32 // by first hidden unit
	inner  []float32 // by first hidden unit, each wide(hidden2) long; none with one layer
	bias2  []float32 // by second hidden unit
	output []float32 // by unit of the last layer
}

func newShape(l Layout, hidden, hidden2 int) shape {
	return shape{items: len(l.Item), context: len(l.Context), hidden: hidden, hidden2: hidden2}
}

// wide and wide2 are the stored widths of the layers.
func (s shape) wide() int  { return padded(s.hidden) }
func (s shape) wide2() int { return padded(s.hidden2) }

// size is the number of stored parameters.
func (s shape) size() int {
	n := s.items + (s.items+s.context+1)*s.wide()
	if s.hidden2 == 0 {
		return n + s.wide()
	}
	return n + (s.wide()+2)*s.wide2()
}

func newWeights(s shape) weights { return weightsOn(make([]float32, s.size()), s) }

// weightsOn gives the parts of flat their names.
func weightsOn(flat []float32, s shape) weights {
	w := weights{flat: flat, shape: s}
	take := func(n int) []float32 {
		part := flat[:n:n]
		flat = flat[n:]
		return part
	}
	w.linear = take(s.items)
	w.input = take((s.items + s.context) * s.wide())
	w.bias = take(s.wide())
	if s.hidden2 > 0 {
		w.inner = take(s.wide() * s.wide2())
		w.bias2 = take(s.wide2())
	}
	w.output = take(len(flat))
	return w
}

func (w weights) clone() weights { return weightsOn(slices.Clone(w.flat), w.shape) }

// row returns the weights from column f into the first hidden layer.
func (w weights) row(f int) []float32 { return w.input[f*w.wide() : (f+1)*w.wide()] }

// trim returns rows of the given width without their padding.
func trim(rows []float32, width int) []float32 {
	out := make([]float32, 0, len(rows))
	for row := range slices.Chunk(rows, max(padded(width), 1)) {
		out = append(out, row[:width]...)
	}
	return out
}

// pad copies rows of the given width to their padded places.
func pad(to, rows []float32, width int) {
	for i := 0; i*width < len(rows); i++ {
		copy(to[i*padded(width):], rows[i*width:(i+1)*width])
	}
}

// tidy clears what the padding holds; only a forged file has anything there.
func (w weights) tidy() {
	for _, part := range []struct {
		rows  []float32
		width int
	}{{w.input, w.hidden}, {w.bias, w.hidden}, {w.inner, w.hidden2}, {w.bias2, w.hidden2}, {w.output, w.last()}} {
		for row := range slices.Chunk(part.rows, max(padded(part.width), 1)) {
			clear(row[part.width:])
		}
	}
	if w.hidden2 > 0 {
		clear(w.inner[w.hidden*w.wide2():])
	}
}

// last is the width of the last hidden layer.
func (s shape) last() int {
	if s.hidden2 > 0 {
		return s.hidden2
	}
	return s.hidden
}
