package seqtrain

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// TestParity holds the training graph against the hand-written inference: histories of every length, packed together
// as in training, with random weights.
func TestParity(t *testing.T) {
	onBackends(t, func(t *testing.T, be compute.Backend) {
		for _, cfg := range []sequence.Config{
			{Dim: 16, Layers: 1, Heads: 1, MaxLen: 9, FF: 24},
			{Dim: 16, Layers: 2, Heads: 1, MaxLen: 9, FF: 8},
			{Dim: 12, Layers: 2, Heads: 3, MaxLen: 9, FF: 12},
		} {
			t.Run(fmt.Sprintf("%d layers %d heads", cfg.Layers, cfg.Heads), func(t *testing.T) {
				const vocab = 60
				w := weights(t, cfg, vocab, 9)
				rng := rand.New(rand.NewPCG(4, 4))
				for _, tn := range w.Tensors() { // far from where training starts
					for i := range tn.Data {
						tn.Data[i] += float32(rng.NormFloat64() * 0.2)
					}
				}
				var data Data
				for n := 1; n <= cfg.MaxLen; n++ {
					for range 3 {
						ex := Example{Items: make([]int32, n), Targets: make([]int32, n)}
						for i := range ex.Items {
							ex.Items[i] = 1 + rng.Int32N(vocab-1)
						}
						ex.Targets[n-1] = 1
						data.Train = append(data.Train, ex)
					}
				}
				compare(t, onGraph(newLearner(t, be, smallTraining(), w, data)))
			})
		}
	})
}

func compare(t *testing.T, l *Learner) {
	t.Helper()
	cfg := l.weights.Config()
	rng := rand.New(rand.NewPCG(1, 2))
	rows := pack(l.seqs, cfg.MaxLen, rng)
	b := l.assemble(rows, len(rows)+1, &passState{}, rng)
	h := hiddenOf(t, l, b)
	scores := make([]float32, l.weights.Vocab())
	checked := 0
	for r, rw := range rows {
		at := r * cfg.MaxLen
		for _, e := range rw.examples {
			at += len(l.items[e])
			l.weights.Scores(l.items[e], scores)
			row := h[(at-1)*cfg.Dim : at*cfg.Dim]
			for id := 1; id < l.weights.Vocab(); id++ {
				var got float32
				for j, v := range l.weights.Items()[id*cfg.Dim : (id+1)*cfg.Dim] {
					got += v * row[j]
				}
				if math.Abs(float64(got-scores[id])) > 1e-4*max(1, math.Abs(float64(got))) {
					t.Fatalf("history %v, item %d: the graph scores %v, inference %v", l.items[e], id, got, scores[id])
				}
			}
			checked++
		}
	}
	if checked != len(l.seqs) {
		t.Fatalf("%d of %d sequences were packed", checked, len(l.seqs))
	}
}

func hiddenOf(t *testing.T, l *Learner, b *batch) []float32 {
	t.Helper()
	cfg := l.weights.Config()
	x, err := NewExec(l.engine.backend, func(in []*Node) *Node { return network{cfg: cfg}.hidden(in[0], in[1], nil, in[2:]) })
	if err != nil {
		t.Fatal(err)
	}
	defer x.Finalize()
	args := []any{}
	for _, in := range []int{inStream, inMask} {
		args = append(args, tensors.FromFlatDataAndDimensions(b.inputs[in], inputShape(in, cfg, b)...))
	}
	for _, tn := range l.weights.Tensors()[2:] {
		args = append(args, tensors.FromFlatDataAndDimensions(tn.Data, tn.Shape...))
	}
	out, err := x.Call(args...)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out[0])
}

// TestGradients holds the gradients of every tensor, those added up outside the graph included, against differences
// of the loss.
func TestGradients(t *testing.T) {
	skipRaced(t)
	cfg := sequence.Config{Dim: 8, Layers: 2, Heads: 2, MaxLen: 5, FF: 6, Dropout: 0.3}
	const vocab = 30
	for _, negatives := range []int{12, 1000} { // sampled and exact
		train := smallTraining()
		train.Negatives, train.FullSoftmax = negatives, 0
		l := newLearner(t, goBackend(t), train, widen(weights(t, cfg, vocab, 2)), chain{vocab}.data(12, 0, 1))
		l.easy = make([]int32, len(l.prompts))
		for i := range l.easy {
			l.easy[i] = int32(1 + i*7%(vocab-1))
		}
		pass := &passState{lambda: 0.4, easy: l.easy}
		run := func() (float64, [][]float32) {
			rng := rand.New(rand.NewPCG(8, 8))
			rows := pack(l.seqs, cfg.MaxLen, rng)
			_, loss, grads, err := l.gradients(context.Background(), l.assemble(rows, len(rows), pass, rng))
			if err != nil {
				t.Fatal(err)
			}
			return loss, grads
		}
		holdGradients(t, fmt.Sprintf("%d negatives", negatives), l.weights.Tensors(), run, func() {})
	}
}

// TestLoss_isTheSoftmax holds the exact loss against a softmax over the scores of the real items: rows that pad the
// catalogue take no probability, and neither do examples packed beside each other see one another.
func TestLoss_isTheSoftmax(t *testing.T) {
	cfg := small
	cfg.Dropout = 0
	const vocab = 41 // padded to fullPad
	data := chain{vocab}.data(20, 0, 5)
	for i := range data.Train { // a loss only where inference has its position: at the end
		targets := data.Train[i].Targets
		clear(targets[:len(targets)-1])
	}
	w := weights(t, cfg, vocab, 2)
	train := smallTraining()
	train.LearningRate = 1e-12
	l := newLearner(t, goBackend(t), train, w, data)
	losses, err := l.Train(context.Background(), pass(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	var want float64
	scores := make([]float32, vocab)
	for _, ex := range data.Train {
		w.Scores(ex.Items, scores)
		var sum float64
		for _, s := range scores[1:] {
			sum += math.Exp(float64(s))
		}
		want += (math.Log(sum) - float64(scores[ex.Targets[len(ex.Targets)-1]])) / float64(len(data.Train))
	}
	if math.Abs(losses.Real-want) > 1e-4 {
		t.Errorf("loss %v: want %v", losses.Real, want)
	}
}
