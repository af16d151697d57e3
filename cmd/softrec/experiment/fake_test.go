package experiment

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/soft"
)

// fakeModel makes learners that know the last item alone: logits from a table of pairs, trained by gradient descent. It
// is a real learner, small enough for every variant in milliseconds.
type fakeModel struct {
	items  int
	filter bool
	trains *int // epochs ever made
	stop   int  // fails when so many epochs were made; 0 never
	still  bool // answers never come nearer
}

func (m fakeModel) Learner(f Flavour, data Data, seed uint64) (Learner, error) {
	if f.ItemAdapter {
		return nil, fmt.Errorf("item residuals: %w", ErrFlavour)
	}
	l := &fakeLearner{model: m, f: f, data: data, w: make([]float64, m.items*m.items)}
	rng := rand.New(rand.NewPCG(7, 7)) // the base model is the same for all seeds
	for i := range l.w {
		l.w[i] = 0.1 * rng.NormFloat64()
	}
	l.fresh = slices.Clone(l.w)
	return l, nil
}

type fakeLearner struct {
	model    fakeModel
	f        Flavour
	data     Data
	fresh, w []float64
	easy     []int32
}

func (l *fakeLearner) Prompts() int { return len(l.data.Train) }

func (l *fakeLearner) scores(q split.Question) []float32 {
	last := int(q.Past[len(q.Past)-1])
	out := make([]float32, l.model.items)
	for i := range out {
		out[i] = float32(l.w[last*l.model.items+i])
	}
	return out
}

func softmax(xs []float32) []float64 {
	p, sum := make([]float64, len(xs)), 0.0
	for i, x := range xs {
		p[i] = math.Exp(float64(x))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func (l *fakeLearner) Train(_ context.Context, p soft.Pass) (soft.Losses, error) {
	if *l.model.trains++; l.model.stop > 0 && *l.model.trains > l.model.stop {
		return soft.Losses{}, errors.New("pulled the plug")
	}
	rng := rand.New(rand.NewPCG(p.Seed, 1))
	var out soft.Losses
	order := rng.Perm(len(l.data.Train))
	for _, i := range order {
		q := l.data.Train[i]
		probs := softmax(l.scores(q))
		target := make([]float64, len(probs))
		target[q.Targets[0]] += 1 - p.Lambda
		real := -math.Log(probs[q.Targets[0]])
		easy := 0.0
		if p.Lambda > 0 {
			target[l.easy[i]] += p.Lambda
			easy = -math.Log(probs[l.easy[i]])
		}
		last := int(q.Past[len(q.Past)-1])
		for k := range probs {
			l.w[last*l.model.items+k] -= 100 * l.f.LearningRate * (probs[k] - target[k])
		}
		if p.Observe != nil {
			p.Observe(real, easy)
		}
		out.Real += real / float64(len(order))
		out.Easy += easy / float64(len(order))
	}
	out.Updates = len(order)
	return out, nil
}

func best(scores []float32) int32 { return int32(slices.Index(scores, slices.Max(scores))) }

func (l *fakeLearner) Distil(context.Context) (soft.Distilled, error) {
	l.easy = l.easy[:0]
	d := soft.Distilled{Answers: len(l.data.Train), MeanConfidence: 1}
	answers, targets := map[int32]int{}, map[int32]int{}
	for _, q := range l.data.Train {
		y := best(l.scores(q))
		l.easy = append(l.easy, y)
		answers[y]++
		targets[q.Targets[0]]++
	}
	for i, q := range l.data.Train {
		d.AnswerPopularity += float64(targets[l.easy[i]]) / float64(len(l.easy))
		d.TargetPopularity += float64(targets[q.Targets[0]]) / float64(len(l.easy))
	}
	d.DistinctAnswers, d.DistinctTargets = len(answers), len(targets)
	return d, nil
}

func (l *fakeLearner) FixSpace(context.Context, soft.Space) error { return nil }

func (l *fakeLearner) Distances(_ context.Context, probe []int) ([]float64, error) {
	out := make([]float64, len(probe))
	for k, i := range probe {
		q := l.data.Train[i]
		out[k] = 1
		if best(l.scores(q)) == q.Targets[0] && !l.model.still {
			out[k] = 0
		}
	}
	return out, nil
}

func (l *fakeLearner) Validate(ctx context.Context) (float64, error) {
	ranks, err := l.Rank(ctx, l.data.Valid)
	hits, n := 0.0, 0
	for _, own := range ranks {
		for _, r := range own {
			hits += eval.HR(r, 10)
			n++
		}
	}
	return hits / float64(n), err
}

func (l *fakeLearner) Save(context.Context) (soft.State, error) { return slices.Clone(l.w), nil }

func (l *fakeLearner) Load(_ context.Context, s soft.State) error {
	l.w = slices.Clone(s.([]float64))
	return nil
}

func (l *fakeLearner) State(_ context.Context, weights []byte) (soft.State, error) {
	if weights == nil {
		return slices.Clone(l.fresh), nil
	}
	var w []float64
	err := gob.NewDecoder(bytes.NewReader(weights)).Decode(&w)
	return w, err
}

func (l *fakeLearner) Weights() ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(l.w)
	return b.Bytes(), err
}

func (l *fakeLearner) Rank(_ context.Context, asked []split.Question) ([][]float64, error) {
	out := make([][]float64, len(asked))
	for i, q := range asked {
		out[i] = rankTargets(l.scores(q), q, l.model.filter)
	}
	return out, nil
}

// fakeKit opens a fakeModel; the sequence variant gets the real learner on the Go backend.
func fakeKit(t *testing.T, m fakeModel) Open {
	return func(_ context.Context, _ Options, c Catalogue) (*Kit, error) {
		m.items, m.filter = len(c.Titles), c.FilterSeen
		return &Kit{Model: m, Kind: "fake", Backend: "none", Digest: "fake", Close: func() error { return nil }, Sequence: func() (*seqtrain.Engine, error) {
			be, _, err := backend.Open(backend.Config{Plugin: backend.None, Sequential: true, Parallelism: 1}, nil)
			if err != nil {
				return nil, err
			}
			t.Cleanup(be.Finalize)
			return seqtrain.NewEngine(be, seqtrain.DefaultConfig())
		}}, nil
	}
}
