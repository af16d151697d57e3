package seqtrain

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// Scores hands the scores of all items after each history to each, by the average of the weights where one is kept; each must not keep
// them. Package sequence does the same for what it can compute, much faster: this is for variations. A history without a known item
// scores 0 everywhere. Sides, where there are any, belong to the items of the history.
func (l *Learner) Scores(ctx context.Context, asked []Case, each func(i int, scores []float32)) error {
	w, more := l.answering(), l.extra.tensors
	if l.average.weights != nil {
		more = l.average.extra
	}
	with := *l
	with.weights, with.extra.tensors = w, more
	cfg := w.Config()
	x, err := l.engine.ranker(l.network())
	if err != nil {
		return err
	}
	scores := make([]float32, w.Vocab())
	table := blas32.General{Rows: w.Vocab(), Cols: cfg.Dim, Stride: cfg.Dim, Data: w.Items()}
	for at := 0; at < len(asked); at += l.cfg.Batch {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("score: %w", err)
		}
		part := asked[at:min(at+l.cfg.Batch, len(asked))]
		b := with.questions(part)
		var h []float32
		if err := protect(func() (err error) { h, err = hiddenBy(x, l.network(), b, w, more[:l.extra.graph]); return err }); err != nil {
			return fmt.Errorf("score: %w", err)
		}
		for i := range part {
			row := h[((i+1)*cfg.MaxLen-1)*cfg.Dim:][:cfg.Dim]
			if b.slots[(i+1)*cfg.MaxLen-1].item == 0 {
				clear(scores)
			} else {
				blas32.Gemv(blas.NoTrans, 1, table, blas32.Vector{N: cfg.Dim, Inc: 1, Data: row}, 0, blas32.Vector{N: len(scores), Inc: 1, Data: scores})
			}
			each(at+i, scores)
		}
	}
	return nil
}

// ranker returns the graph of a network up to the vectors that are multiplied with the item table.
func (e *Engine) ranker(net network) (*graph.Exec, error) {
	if x, ok := e.ranks[net]; ok {
		return x, nil
	}
	x, err := graph.NewExec(e.backend, func(in []*graph.Node) *graph.Node { return net.hidden(in[0], in[1], nil, in[2:]) })
	if err != nil {
		return nil, fmt.Errorf("build the graph of scores: %w", err)
	}
	x.SetMaxCache(-1)
	e.ranks[net] = x
	return x, nil
}

// questions lays histories out, one in each row, the newest item in its last slot.
func (l *Learner) questions(asked []Case) *batch {
	cfg := l.weights.Config()
	t, d := cfg.MaxLen, cfg.Dim
	b := &batch{shape: shape{rows: l.cfg.Batch}, slots: make([]slot, l.cfg.Batch*t), spans: make([][]span, l.cfg.Batch)}
	b.inputs = make([][]float32, inMask+1)
	b.inputs[inStream] = make([]float32, len(b.slots)*d)
	scale := sequence.EmbeddingScale(d)
	for r, c := range asked {
		items, _, sides := known(Example{Items: c.History, Targets: make([]int32, len(c.History)), Sides: c.Sides}, l.weights.Vocab())
		from := max(0, len(items)-t)
		begin := t - (len(items) - from)
		b.spans[r] = []span{{begin, t}}
		for i, id := range items[from:] {
			n := r*t + begin + i
			b.slots[n] = slot{item: id, position: int32(begin + i)}
			x, e, p := b.inputs[inStream][n*d:(n+1)*d], l.weights.Items()[int(id)*d:][:d], l.weights.Positions()[(begin+i)*d:][:d]
			for j := range x {
				x[j] = e[j]*scale + p[j]
			}
			if sides != nil {
				for _, side := range sides[from+i] {
					for j, v := range l.sideRow(side) {
						x[j] += v
					}
				}
			}
		}
	}
	b.inputs[inMask] = b.mask(t)
	return b
}

// hiddenBy runs the graph of scores over a batch.
func hiddenBy(x *graph.Exec, net network, b *batch, w *sequence.Weights, gates []sequence.Tensor) ([]float32, error) {
	args := []any{}
	defer func() {
		for _, a := range args {
			a.(*tensors.Tensor).MustFinalizeAll()
		}
	}()
	for _, in := range []int{inStream, inMask} {
		args = append(args, tensors.FromFlatDataAndDimensions(b.inputs[in], inputShape(in, net.cfg, b)...))
	}
	for _, list := range [][]sequence.Tensor{w.Tensors()[2:], gates} {
		for _, t := range list {
			args = append(args, tensors.FromFlatDataAndDimensions(t.Data, t.Shape...))
		}
	}
	outs, err := x.Call(args...)
	if err != nil {
		return nil, err
	}
	var h []float32
	for _, o := range outs {
		if err := tensors.ConstFlatData(o, func(data []float32) { h = append(h, data...) }); err != nil {
			return nil, err
		}
		if err := o.FinalizeAll(); err != nil {
			return nil, err
		}
	}
	return h, nil
}
