package retrieval

import (
	"context"
	"fmt"
	"math"

	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
)

// Ranks returns the mid-rank of each prompt's target among the whole catalogue, the history left out: 1 is best. Targets that
// have no title, or that the history already holds, rank at infinity. A nil adapter is the base model.
func (e *Engine) Ranks(ctx context.Context, a *lora.Adapter, t *Table, prompts []Prompt) ([]float64, error) {
	all, err := e.RanksOf(ctx, a, t, titles.Questions(prompts, true))
	return titles.First(all), err
}

// RanksOf is Ranks for questions with several targets, whose history is encoded once.
func (e *Engine) RanksOf(ctx context.Context, a *lora.Adapter, t *Table, questions []Question) ([][]float64, error) {
	texts := make([][]int32, len(questions))
	for i, q := range questions {
		if err := t.checkHistory(q.History); err != nil {
			return nil, fmt.Errorf("rank question %d: %w", i, err)
		}
		texts[i] = e.Text(t, q.History)
	}
	out := make([][]float64, len(questions))
	err := e.rankAll(ctx, a, t, texts, func(i int, scores []float32) {
		q := questions[i]
		if q.Filter {
			leave(scores, q.History)
		}
		out[i] = make([]float64, len(q.Targets))
		for k, target := range q.Targets {
			out[i][k] = rankOf(scores, target)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("rank titles: %w", err)
	}
	return out, nil
}

// leave takes items out of a ranking.
func leave(scores []float32, items []int32) {
	for _, item := range items {
		scores[item] = leftOut
	}
}

// rankOf is the mid-rank of a target, infinity where it was left out.
func rankOf(scores []float32, target int32) float64 {
	if target < 0 || int(target) >= len(scores) || excluded(scores[target]) {
		return math.Inf(1)
	}
	return eval.Rank(scores, int(target))
}

// excluded reports the score of something left out.
func excluded(score float32) bool { return score <= leftOut/2 }
