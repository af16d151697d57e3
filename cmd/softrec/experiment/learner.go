package experiment

import (
	"context"
	"fmt"
	"iter"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/soft"
)

// tunable is what the learners of encoders and decoders have in common.
type tunable interface {
	soft.Learner
	Adapter() *lora.Adapter // a copy
}

// lmLearner is the learner of a language model. It validates whole baskets, whose history is then read once.
type lmLearner struct {
	tunable
	begin func(start *lora.Adapter) (tunable, error) // another learner on the same data
	rank  func(ctx context.Context, a *lora.Adapter, asked []split.Question) ([][]float64, error)
	valid []split.Question
}

// promptOf shows the newest n items of a past, and knows the rest: the teacher must not answer what the rankings leave out.
func promptOf(q split.Question, n int) titles.Prompt {
	shown := q.History(n)
	return titles.Prompt{Before: q.Past[:len(q.Past)-len(shown)], History: shown, Target: q.Targets[0]}
}

// taken tells of all training lines what was taken after the newest n items of a past.
func taken(lines []split.Question, n int) iter.Seq2[[]int32, int32] {
	return func(yield func([]int32, int32) bool) {
		for _, q := range lines {
			if !yield(q.History(n), q.Targets[0]) {
				return
			}
		}
	}
}

// newLM makes a learner that starts untuned.
func newLM(l lmLearner) (Learner, error) {
	var err error
	if l.tunable, err = l.begin(nil); err != nil {
		return nil, err
	}
	return &l, nil
}

// Validate is HR@10 over all targets of the validation questions.
func (l *lmLearner) Validate(ctx context.Context) (float64, error) {
	ranks, err := l.Rank(ctx, l.valid)
	if err != nil {
		return 0, err
	}
	hits, n := 0.0, 0
	for _, own := range ranks {
		for _, r := range own {
			hits += eval.HR(r, 10)
			n++
		}
	}
	return hits / float64(max(n, 1)), nil
}

// Rank implements Learner.
func (l *lmLearner) Rank(ctx context.Context, asked []split.Question) ([][]float64, error) {
	return l.rank(ctx, l.Adapter(), asked)
}

// State implements Learner.
func (l *lmLearner) State(ctx context.Context, weights []byte) (soft.State, error) {
	var start *lora.Adapter
	if weights != nil {
		var err error
		if start, err = lora.Decode(weights); err != nil {
			return nil, fmt.Errorf("read weights: %w", err)
		}
	}
	other, err := l.begin(start)
	if err != nil {
		return nil, err
	}
	return other.Save(ctx)
}

// Weights implements Learner.
func (l *lmLearner) Weights() ([]byte, error) { return l.Adapter().Encode() }
