package offline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/soft"
)

// Network is the shape of the sequence network and how it is trained.
type Network struct {
	Shape    sequence.Config
	Train    seqtrain.Config
	Patience int // epochs without a better validation after which training stops
}

// LargeNetwork is for a backend with a tensor compiler.
func LargeNetwork() Network {
	train := seqtrain.DefaultConfig()
	train.LearningRate, train.Average, train.FullSoftmax, train.Negatives, train.ExcludeHistory = 0.003, 0.998, 4096, 512, true
	return Network{Shape: sequence.Config{Dim: 64, Layers: 2, Heads: 2, MaxLen: 200, FF: 64, Dropout: 0.2}, Train: train, Patience: 5}
}

// SmallNetwork is what the pure-Go backend trains in the same time: about a fifth of the arithmetic.
func SmallNetwork() Network {
	n := LargeNetwork()
	n.Shape = sequence.Config{Dim: 48, Layers: 1, Heads: 1, MaxLen: 50, FF: 48, Dropout: 0.2}
	n.Train.FullSoftmax, n.Train.Negatives, n.Train.Batch = 512, 256, 32
	return n
}

// suited returns n cut to a log: it reads no more items than nine tenths of the training sequences have (50, 100 or as many as
// n would), and drops more where there are few targets per item, as there it would learn them by heart. Both were
// chosen on the validation part of two logs, one with 290 targets per item, one with 11.
func (n Network) suited(train []Sequence, items int) Network {
	lengths := make([]int, len(train))
	all := 0
	for i, s := range train {
		lengths[i] = len(s.Items)
		all += len(s.Items)
	}
	slices.Sort(lengths)
	for _, l := range []int{50, 100} {
		if l < n.Shape.MaxLen && lengths[len(lengths)*9/10] <= l {
			n.Train.Batch = n.Train.Batch * n.Shape.MaxLen / l // as many slots per step
			n.Shape.MaxLen = l
		}
	}
	if all < fewTargets*items {
		n.Shape.Dropout = 0.5
	}
	return n
}

// fewTargets is the number of targets per item below which a log is sparse.
const fewTargets = 100

// Validate reports every fault at once.
func (n Network) Validate() error {
	var err error
	if n.Patience < 1 {
		err = fmt.Errorf("network.patience %d: want at least 1", n.Patience)
	}
	return errors.Join(n.Shape.Validate(), n.Train.Validate(), err)
}

// trained is a network with the story of its training.
type trained struct {
	weights *sequence.Weights // nil where only the learner can compute it
	learner *seqtrain.Learner // holds the epoch that is kept, as long as its engine is open
	epochs  int               // made
	best    int               // the one kept, from 1
	hr      float64           // of that one on the watched validation questions
	ndcg    float64
	seconds float64
	cut     bool // the time was up before the epochs or the patience were
}

// fit trains one network on the training part and keeps the epoch with the best NDCG@10 on the watched validation questions.
func (l *lab) fit(ctx context.Context, engine *seqtrain.Engine, v variant, seed uint64) (*trained, error) {
	n := v.apply(l.o.Network)
	learner, err := l.varied(engine, n, v, seed)
	if err != nil {
		return nil, err
	}
	watch := sample(l.split.Valid, l.o.Watch)
	out := &trained{learner: learner, ndcg: -1}
	var best soft.State
	start := time.Now()
	limit := time.Duration(l.o.Minutes * float64(time.Minute))
	for e := 1; e <= l.o.Epochs; e++ {
		losses, err := learner.Train(ctx, soft.Pass{Seed: seed, Epoch: e})
		if err != nil {
			return nil, fmt.Errorf("epoch %d: %w", e, err)
		}
		now := &trained{learner: learner}
		if v.plain() {
			now.weights = learner.Weights()
		}
		hr, ndcg, err := now.judge(ctx, v, watch)
		if err != nil {
			return nil, fmt.Errorf("epoch %d: %w", e, err)
		}
		out.epochs, out.seconds = e, time.Since(start).Seconds()
		l.log.Info("epoch", "network", v.name, "seed", seed, "epoch", e, "loss", losses.Real, "hr10", hr, "ndcg10", ndcg, "seconds", math.Round(out.seconds))
		if ndcg > out.ndcg {
			out.weights, out.best, out.hr, out.ndcg = now.weights, e, hr, ndcg
			if best, err = learner.Save(ctx); err != nil {
				return nil, err
			}
		}
		if e-out.best >= n.Patience {
			break
		}
		if left := limit - time.Since(start); left < time.Since(start)/time.Duration(e) { // no time for another epoch
			out.cut = e < l.o.Epochs
			break
		}
	}
	return out, learner.Load(ctx, best)
}

// varied makes the learner of a variant.
func (l *lab) varied(engine *seqtrain.Engine, n Network, v variant, seed uint64) (*seqtrain.Learner, error) {
	fresh, err := sequence.NewWeights(n.Shape, l.items, seed)
	if err != nil {
		return nil, err
	}
	if v.titles {
		if err := startFrom(fresh, l.vectors, len(l.vectors)/l.items); err != nil {
			return nil, err
		}
	}
	data := seqtrain.Data{Train: examples(l.split.Train, n.Shape.MaxLen, v, seed)}
	return engine.Vary(fresh, data, seed, v.vary, l.extras(v))
}

// scores hands the scores of all items for each question to each, on several goroutines where package sequence can compute them.
func (t *trained) scores(ctx context.Context, v variant, asked []Question, each func(i int, scores []float32)) error {
	if t.weights != nil {
		t.weights.ScoresBatch(histories(asked), runtime.GOMAXPROCS(0), func(i int, scores []float32, _ bool) { each(i, scores) })
		return ctx.Err()
	}
	cases := make([]seqtrain.Case, len(asked))
	for i, q := range asked {
		cases[i] = seqtrain.Case{History: q.History, Sides: v.sides(q.At, q.Now)}
	}
	return t.learner.Scores(ctx, cases, each)
}

// judge returns mean HR@10 and NDCG@10 of a network over the targets of some questions.
func (t *trained) judge(ctx context.Context, v variant, asked []Question) (hr, ndcg float64, err error) {
	ranks := make([][]float64, len(asked))
	if err := t.scores(ctx, v, asked, func(i int, scores []float32) { ranks[i] = rankAll(scores, asked[i], nil) }); err != nil {
		return 0, 0, err
	}
	n := 0
	for _, own := range ranks {
		for _, r := range own {
			hr, ndcg, n = hr+eval.HR(r, evaluation.Cut), ndcg+eval.NDCG(r, evaluation.Cut), n+1
		}
	}
	return hr / float64(max(n, 1)), ndcg / float64(max(n, 1)), nil
}

func histories(qs []Question) [][]int32 {
	out := make([][]int32, len(qs))
	for i, q := range qs {
		out[i] = q.History
	}
	return out
}
