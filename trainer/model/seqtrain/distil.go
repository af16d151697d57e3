package seqtrain

import (
	"context"
	"fmt"

	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/soft"
)

// distilChunk is how many sequences are answered between two looks at the context.
const distilChunk = 256

// Distil answers every prompt with the item that the present weights, or their average where one is kept, rank first, and keeps the answers as D'. It uses
// the hand-written inference on all workers: on two cores half the time of a training epoch of the pure-Go backend
// (3,700 items), and no memory that grows with the catalogue.
func (l *Learner) Distil(ctx context.Context) (soft.Distilled, error) {
	if err := l.plain(); err != nil {
		return soft.Distilled{}, fmt.Errorf("distil: %w", err)
	}
	easy, confidence := make([]int32, len(l.prompts)), make([]float32, len(l.prompts))
	for at := 0; at < len(l.items); at += distilChunk {
		if err := ctx.Err(); err != nil {
			return soft.Distilled{}, fmt.Errorf("distil: %w", err)
		}
		part := l.items[at:min(at+distilChunk, len(l.items))]
		l.answering().Answers(part, l.workers(), l.cfg.ExcludeHistory,
			func(e, i int) bool { return l.seqs[at+e].targets[i] != 0 },
			func(e, i int, a sequence.Answer) {
				n := l.seqs[at+e].numbers[i]
				easy[n], confidence[n] = a.Item, a.Confidence
			})
	}
	l.easy, l.confidence = easy, confidence
	return l.describe(), nil
}

// describe sums up D'.
func (l *Learner) describe() soft.Distilled {
	var d soft.Distilled
	answered := make([]bool, len(l.counts))
	for n, id := range l.easy {
		if id == 0 {
			continue
		}
		d.Answers++
		if !answered[id] {
			answered[id] = true
			d.DistinctAnswers++
		}
		d.MeanConfidence += float64(l.confidence[n])
		d.AnswerPopularity += float64(l.counts[id])
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
