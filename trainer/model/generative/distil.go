package generative

import (
	"context"
	"fmt"
	"math"

	"github.com/softrec/softrec/trainer/soft"
)

// Distil answers every prompt by beam search with the present weights and keeps the answers' texts as D'. A prompt
// whose every beam lies in its past gets no easy target.
func (l *Learner) Distil(ctx context.Context) (soft.Distilled, error) {
	pasts := make([][]int32, len(l.train))
	for i := range pasts {
		pasts[i] = l.forbidden(i)
	}
	easy, err := l.engine.answers(ctx, l.adapter, l.table, l.prompts, pasts)
	if err != nil {
		return soft.Distilled{}, fmt.Errorf("distil: %w", err)
	}
	l.easy = easy
	asked, _ := l.engine.different(l.prompts, pasts)
	return l.describe(asked), nil
}

// forbidden are the items that are no answer to prompt n: all that the user had where answers are filtered, else none.
func (l *Learner) forbidden(n int) []int32 {
	if !l.filter {
		return nil
	}
	return l.train[n].Past()
}

// describe sums up D' by items, raw texts by the nearest one's. asked are the prompts that were answered for all that are like
// them.
func (l *Learner) describe(asked []int) soft.Distilled {
	var d soft.Distilled
	seen := map[int32]bool{}
	read, alone := 0, 0
	for _, i := range asked {
		read += len(l.prompts[i]) + l.engine.cfg.Beams*len(l.targets[i])
	}
	for i, a := range l.easy {
		alone += len(l.prompts[i]) + len(l.targets[i])
		if !a.given() {
			continue
		}
		d.Answers++
		seen[a.item] = true
		d.MeanConfidence += a.confidence
		d.AnswerPopularity += float64(l.counts[a.item])
	}
	d.DistinctAnswers = len(seen)
	for _, c := range l.counts {
		d.DistinctTargets += min(c, 1)
		d.TargetPopularity += float64(c) * float64(c)
	}
	d.MeanConfidence /= float64(max(d.Answers, 1))
	d.AnswerPopularity /= float64(max(d.Answers, 1))
	d.TargetPopularity /= float64(len(l.train))
	d.Cost = float64(read) / float64(3*alone) // a backward pass is two forward ones
	return d
}

// Distances is the distance in E between the present best answer and the real title of each prompt of probe.
func (l *Learner) Distances(ctx context.Context, probe []int) ([]float64, error) {
	prompts, pasts := make([][]int32, len(probe)), make([][]int32, len(probe))
	for k, n := range probe {
		if n < 0 || n >= len(l.prompts) {
			return nil, fmt.Errorf("measure distances: prompt %d: want 0 to %d", n, len(l.prompts)-1)
		}
		prompts[k], pasts[k] = l.prompts[n], l.forbidden(n)
	}
	answers, err := l.engine.answers(ctx, l.adapter, l.table, prompts, pasts)
	if err != nil {
		return nil, fmt.Errorf("measure distances: %w", err)
	}
	out := make([]float64, len(probe))
	if l.company != nil {
		for k, n := range probe {
			out[k] = l.company.Distance(answers[k].item, l.train[n].Target)
		}
		return out, nil
	}
	texts := make([][]int32, len(probe))
	for k, a := range answers {
		if texts[k] = a.tokens; !a.given() {
			texts[k] = a.best
		}
	}
	vectors, err := l.engine.embed(ctx, texts)
	if err != nil {
		return nil, fmt.Errorf("measure distances: %w", err)
	}
	for k, n := range probe {
		out[k] = distance(vectors[k], l.table.vectors[l.train[n].Target])
	}
	return out, nil
}

// distance is the Euclidean one.
func distance(a, b []float32) float64 {
	var sum float64
	for i, v := range a {
		d := float64(v) - float64(b[i])
		sum += d * d
	}
	return math.Sqrt(sum)
}
