package seqtrain

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/softrec/softrec/trainer/eval"
)

// cutoff is the length of the list that Validate looks at.
const cutoff = 10

// Validate returns HR@10 over all targets of the validation part: a target is a hit where at most nine items score
// higher, ties at mid-rank. A target that the vocabulary or, with ExcludeHistory, the rules of the list leave out is a miss.
func (l *Learner) Validate(ctx context.Context) (float64, error) {
	if len(l.validation) == 0 {
		return 0, errors.New("validate: there are no cases")
	}
	if err := errors.Join(ctx.Err(), l.plain()); err != nil {
		return 0, fmt.Errorf("validate: %w", err)
	}
	histories := make([][]int32, len(l.validation))
	for i, c := range l.validation {
		histories[i] = c.History
	}
	hits := make([]int, len(l.validation))
	l.answering().ScoresBatch(histories, l.workers(), func(i int, scores []float32, _ bool) {
		scores[0] = float32(math.Inf(-1))
		if l.cfg.ExcludeHistory {
			for _, id := range histories[i] {
				if id > 0 && int(id) < len(scores) {
					scores[id] = float32(math.Inf(-1))
				}
			}
		}
		for _, t := range l.validation[i].Targets {
			if t > 0 && int(t) < len(scores) && !math.IsInf(float64(scores[t]), -1) && eval.HR(eval.Rank(scores, int(t)), cutoff) == 1 {
				hits[i]++
			}
		}
	})
	hit, all := 0, 0
	for i, c := range l.validation {
		hit, all = hit+hits[i], all+len(c.Targets)
	}
	return float64(hit) / float64(max(all, 1)), nil
}
