package seqtrain

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// step runs the graph on a batch and moves the weights.
func (l *Learner) step(ctx context.Context, b *batch) (sums, error) {
	s, loss, grads, err := l.gradients(ctx, b)
	if err != nil {
		return sums{}, err
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return sums{}, fmt.Errorf("loss is %v: the weights have diverged", loss)
	}
	l.adam.begin()
	own := l.weights.Tensors()
	for i, t := range own {
		values := t.Data
		if i == 0 && l.words != nil {
			values = l.extra.own
		}
		l.adam.update(i, values, grads[i], l.cfg.LearningRate)
	}
	for i, t := range l.extra.tensors {
		l.adam.update(len(own)+i, t.Data, grads[len(own)+i], l.cfg.LearningRate)
	}
	if l.words != nil {
		l.compose()
	}
	l.average.add(l.weights, l.extra.tensors)
	return s, nil
}

// gradients runs the graph on a batch and returns its losses and the gradients by tensor; those of the tables are
// good until the next call.
func (l *Learner) gradients(ctx context.Context, b *batch) (s sums, loss float64, grads [][]float32, err error) {
	s = sums{realSeen: b.realSeen, easySeen: b.easySeen}
	tensors := l.weights.Tensors()
	grads = make([][]float32, len(tensors)+len(l.extra.tensors))
	clear(l.gradItems)
	clear(l.gradPos)
	grads[0], grads[1] = l.gradItems, l.gradPos
	var sides []float32
	if at := l.extra.sides; at >= 0 {
		sides = make([]float32, len(l.extra.tensors[at].Data))
		grads[len(tensors)+at] = sides
	}
	params := slices.Concat(tensors[2:], l.extra.tensors[:l.extra.graph])
	err = l.engine.run(ctx, l.network(), b, params, func(out int, data []float32) {
		switch out {
		case outReal:
			s.real = float64(data[0])
		case outEasy:
			s.easy = float64(data[0])
		case outLoss:
			loss = float64(data[0])
		default:
			b.collect(out, data, grads, sides, l.weights.Config(), l.sampler)
		}
	})
	if err == nil && l.words != nil {
		grads[len(tensors)+l.extra.words] = l.wordGradients(grads[0])
	}
	return s, loss, grads, err
}

// collect adds an output of the graph to the gradients by tensor; those of the tables, that of the side inputs among them, come by slot.
func (b *batch) collect(out int, data []float32, grads [][]float32, sides []float32, cfg sequence.Config, smp *sampler) {
	d := cfg.Dim
	switch out {
	case gradStream:
		scale := sequence.EmbeddingScale(d)
		for i, s := range b.slots {
			if s.item == 0 {
				continue
			}
			g := data[i*d : (i+1)*d]
			items, pos := grads[0][int(s.item)*d:][:d], grads[1][int(s.position)*d:][:d]
			for j, v := range g {
				if b.dropout != nil {
					v *= b.dropout[i*d+j]
				}
				items[j] += v * scale
				pos[j] += v
				for _, id := range s.sides {
					if id != 0 {
						sides[int(id)*d+j] += v
					}
				}
			}
		}
	case gradNegatives:
		for i, id := range smp.ids {
			addRow(grads[0], id, data[i*d:(i+1)*d])
		}
	case gradReal:
		for i, s := range b.slots {
			addRow(grads[0], s.real, data[i*d:(i+1)*d])
		}
	case gradEasy:
		for i, s := range b.slots {
			addRow(grads[0], s.easy, data[i*d:(i+1)*d])
		}
	default:
		grads[2+out-gradTensors] = append([]float32(nil), data...)
	}
}

// addRow adds a row of gradients to that of an item; item 0 stands for none.
func addRow(table []float32, id int32, row []float32) {
	if id == 0 {
		return
	}
	t := table[int(id)*len(row):][:len(row)]
	for j, v := range row {
		t[j] += v
	}
}
