package retrieval

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/titles"
)

// farthest is the largest distance of two unit vectors: what a prompt without an answer counts as.
const farthest = 2

// cutoff is the length of the list that Validate looks at.
const cutoff = 10

// Distances is the distance in E between the present best answer and the real target, 0 to 2.
func (l *Learner) Distances(ctx context.Context, probe []int) ([]float64, error) {
	texts := make([][]int32, len(probe))
	for k, n := range probe {
		if n < 0 || n >= len(l.prompts) {
			return nil, fmt.Errorf("measure distances: prompt %d: want 0 to %d", n, len(l.prompts)-1)
		}
		texts[k] = l.texts[n]
	}
	out := make([]float64, len(probe))
	err := l.engine.rankAll(ctx, l.adapter, l.table, texts, func(k int, scores []float32) {
		p := l.prompts[probe[k]]
		l.leaveOut(scores, p)
		out[k] = farthest
		if items := top(scores, 1); len(items) > 0 {
			out[k] = l.distance(items[0], p.Target)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("measure distances: %w", err)
	}
	return out, nil
}

// distance is the Euclidean one between two items.
func (l *Learner) distance(a, b int32) float64 {
	if l.company != nil {
		return l.company.Distance(a, b)
	}
	x, y := l.table.Vector(int(a)), l.table.Vector(int(b))
	var sum float64
	for i, v := range x {
		d := float64(v) - float64(y[i])
		sum += d * d
	}
	return math.Sqrt(sum)
}

// Validate returns HR@10 of the present adapter: a target is a hit where at most nine items score higher, ties at mid-rank. A
// target without a title or, where answers are filtered, out of the history is a miss.
func (l *Learner) Validate(ctx context.Context) (float64, error) {
	if len(l.validation) == 0 {
		return 0, errors.New("validate: there are no prompts")
	}
	ranks, err := l.engine.RanksOf(ctx, l.adapter, l.table, titles.Questions(l.validation, l.filter))
	if err != nil {
		return 0, fmt.Errorf("validate: %w", err)
	}
	hits := 0.0
	for _, r := range ranks {
		hits += eval.HR(r[0], cutoff)
	}
	return hits / float64(len(ranks)), nil
}
