package retrieval

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/softrec/softrec/trainer/soft"
)

// distilCost is a forward pass in units of a pass on D. With low-rank updates the backward pass costs about as much as the forward one,
// because no gradients of the base's weights are made.
const distilCost = 0.5

// answers are D': the teacher's best items for every prompt.
type answers struct {
	items      [][]int32   // by prompt, best first; empty where nothing could be answered
	weights    [][]float32 // their shares, which add up to 1
	confidence []float32   // probability of the best one among what was allowed
}

// Distil answers every prompt with the Config.Answers items that the present adapter ranks first, and keeps them as D'.
func (l *Learner) Distil(ctx context.Context) (soft.Distilled, error) {
	n := len(l.prompts)
	got := &answers{make([][]int32, n), make([][]float32, n), make([]float32, n)}
	err := l.engine.rankAll(ctx, l.adapter, l.table, l.texts, func(i int, scores []float32) {
		l.leaveOut(scores, l.prompts[i])
		got.items[i], got.weights[i], got.confidence[i] = best(scores, l.engine.cfg.Answers)
	})
	if err != nil {
		return soft.Distilled{}, fmt.Errorf("distil: %w", err)
	}
	l.easy = got
	return l.describe(), nil
}

// leaveOut leaves what the user had out of answers, where they are filtered.
func (l *Learner) leaveOut(scores []float32, p Prompt) {
	if l.filter {
		leave(scores, p.Before)
		leave(scores, p.History)
	}
}

// best picks the n highest scores, ties by row, and turns them into shares; confidence is the best one's probability under the softmax of
// all scores.
func best(scores []float32, n int) (items []int32, weights []float32, confidence float32) {
	items = top(scores, n)
	if len(items) == 0 {
		return nil, nil, 0
	}
	highest := float64(scores[items[0]])
	var sum float64
	for _, s := range scores {
		sum += math.Exp(float64(s) - highest)
	}
	weights = make([]float32, len(items))
	var own float64
	for _, item := range items {
		own += math.Exp(float64(scores[item]) - highest)
	}
	for k, item := range items {
		weights[k] = float32(math.Exp(float64(scores[item])-highest) / own)
	}
	return items, weights, float32(1 / sum)
}

// top lists the rows of the n highest scores, best first. n is small: one pass with an insertion sort.
func top(scores []float32, n int) []int32 {
	var items []int32
	for i, s := range scores {
		if excluded(s) || len(items) == n && s <= scores[items[n-1]] {
			continue
		}
		if len(items) == n {
			items = items[:n-1]
		}
		at, _ := slices.BinarySearchFunc(items, s, func(item int32, s float32) int {
			return cmp.Or(cmp.Compare(s, scores[item]), -1) // after its equals, which have lower rows
		})
		items = slices.Insert(items, at, int32(i))
	}
	return items
}

// describe sums up D'.
func (l *Learner) describe() soft.Distilled {
	d := soft.Distilled{Cost: distilCost}
	answered := make([]bool, l.table.items)
	for i, items := range l.easy.items {
		if len(items) == 0 {
			continue
		}
		d.Answers++
		if !answered[items[0]] {
			answered[items[0]] = true
			d.DistinctAnswers++
		}
		d.MeanConfidence += float64(l.easy.confidence[i])
		d.AnswerPopularity += float64(l.counts[items[0]])
	}
	for _, c := range l.counts {
		d.DistinctTargets += min(c, 1)
		d.TargetPopularity += float64(c) * float64(c)
	}
	d.MeanConfidence /= float64(max(d.Answers, 1))
	d.AnswerPopularity /= float64(max(d.Answers, 1))
	d.TargetPopularity /= float64(len(l.prompts))
	return d
}
