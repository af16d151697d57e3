package mixer

// block is how many candidates go back through the network at once: few enough for their deltas to stay in the first
// cache, enough that a row of the gradient is loaded and stored seldom.
const block = 64

// lists holds, for each of some columns or units, the candidates of a block where it is not zero.
type lists struct {
	filled []int32   // how many there are
	rows   []int32   // where their deltas begin, block entries for each list
	values []float32 // its values there
}

func newLists(n int) lists {
	return lists{filled: make([]int32, n), rows: make([]int32, n*block), values: make([]float32, n*block)}
}

// collect adds to rows of grad the listed rows of delta.
func (t *lists) collect(delta, grad []float32, wide int) {
	for f, n := range t.filled {
		at, end := f*block, f*block+int(n)
		accumulate(t.rows[at:end], t.values[at:end], delta, grad[f*wide:(f+1)*wide])
	}
}

// backward is the memory of the way back, for one block of candidates.
type backward struct {
	delta   []float32 // d loss / d input of the first layer, by candidate
	delta2  []float32 // and of the second
	sum     []float32 // the deltas of the first layer, summed over all candidates of the case
	columns lists
	units   lists // of the first layer
}

func newBackward(s shape) backward {
	b := backward{delta: make([]float32, block*s.wide()), delta2: make([]float32, block*s.wide2()),
		sum: make([]float32, s.wide()), columns: newLists(s.items)}
	if s.hidden2 > 0 {
		b.units = newLists(s.wide())
	}
	return b
}

// backward adds the gradient of the case in hand, with d loss / d score in l.pull.
func (l *lane) backward(m *model) {
	w, b := &m.w, &l.back
	clear(b.sum)
	for lo := 0; lo < len(l.pull); lo += block {
		hi := min(lo+block, len(l.pull))
		l.backColumns(w, lo, hi)
		if w.hidden == 0 {
			continue
		}
		if w.hidden2 > 0 {
			l.backSecond(w, lo, hi)
		} else {
			backOutput(w, l.grad.output, l.pull[lo:hi], l.first[lo*w.wide():], b.delta, b.sum)
		}
		b.columns.collect(b.delta, l.grad.input[:w.items*w.wide()], w.wide())
	}
	if w.hidden == 0 {
		return
	}
	axpy(1, b.sum, l.grad.bias)
	for k, x := range l.heard {
		axpy(x, b.sum, l.grad.row(w.items+k))
	}
}

// backColumns adds the gradient of the linear part for candidates lo to hi, and lists them by column.
func (l *lane) backColumns(w *weights, lo, hi int) {
	t, wide, from := &l.back.columns, int32(w.wide()), int32(0)
	clear(t.filled)
	if lo > 0 {
		from = l.ends[lo-1]
	}
	for i := lo; i < hi; i++ {
		end, d, row := l.ends[i], l.pull[i], int32(i-lo)*wide
		values := l.values[from:end]
		for p, f := range l.columns[from:end] {
			at := int(f)*block + int(t.filled[f])
			t.rows[at], t.values[at] = row, values[p]
			t.filled[f]++
			l.grad.linear[f] += d * values[p]
		}
		from = end
	}
}

// backOutput adds the gradient of the output weights and writes the deltas of the last layer, whose units are at last;
// it adds them up in sum.
func backOutput(w *weights, grad, pull, last, delta, sum []float32) {
	wide := len(w.output)
	for i, d := range pull {
		unit, to := last[i*wide:(i+1)*wide], delta[i*wide:(i+1)*wide]
		grad, output, sum := grad[:len(unit)], w.output[:len(unit)], sum[:len(unit)]
		for j, v := range unit {
			grad[j] += d * v
			p := d * output[j]
			if v <= 0 {
				p = 0
			}
			to[j] = p
			sum[j] += p
		}
	}
}

// backSecond takes candidates lo to hi from their scores to the deltas of the first layer, and adds the gradient of what
// lies between.
func (l *lane) backSecond(w *weights, lo, hi int) {
	b, wide, wide2 := &l.back, w.wide(), w.wide2()
	backOutput(w, l.grad.output, l.pull[lo:hi], l.second[lo*wide2:], b.delta2, l.grad.bias2)
	clear(b.units.filled)
	for i := lo; i < hi; i++ {
		row := i - lo
		k := active(b.delta2[row*wide2:(row+1)*wide2], wide, l.rows[:], l.loud[:])
		delta := b.delta[row*wide : (row+1)*wide]
		clear(delta)
		accumulate(l.rows[:k], l.loud[:k], l.turn, delta)
		b.units.hear(l.first[i*wide:(i+1)*wide], int32(row*wide2), delta, b.sum)
	}
	b.units.collect(b.delta2, l.grad.inner, wide2)
}

// hear lists the units of one candidate that are not silent, silences the deltas of the others, and adds the deltas up.
func (t *lists) hear(units []float32, row int32, delta, sum []float32) {
	delta, sum, filled := delta[:len(units)], sum[:len(units)], t.filled[:len(units)]
	for j, v := range units {
		n := int(filled[j])
		t.rows[j*block+n], t.values[j*block+n] = row, v
		d := delta[j]
		if v > 0 {
			n++
		} else {
			d = 0
		}
		filled[j] = int32(n)
		delta[j] = d
		sum[j] += d
	}
}
