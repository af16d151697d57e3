package seqstep

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/sequence"
)

// cutoff is the length of the list that quality looks at.
const cutoff = 10

// quality trains on and measures.
func (w *worker) quality(ctx context.Context, q Question) (Answer, error) {
	r, ok := w.warm[q.World]
	if !ok {
		var err error
		if r, err = w.start(q.World); err != nil {
			return Answer{}, err
		}
		w.warm[q.World] = r
	}
	if len(r.cases) == 0 {
		return Answer{}, fmt.Errorf("world %q has no cases to measure quality on", q.World)
	}
	a := Answer{Params: r.params}
	began := time.Now()
	for range q.Epochs {
		var err error
		if a.Loss, _, err = r.pass(ctx); err != nil {
			return Answer{}, err
		}
	}
	a.Trained = time.Since(began).Seconds()
	a.HR10 = hits(r.learner.Weights(), r.cases)
	return a, nil
}

// hits is HR@10 over all items that a history does not hold, ties at mid-rank.
func hits(w *sequence.Weights, cases []seqtrain.Case) float64 {
	histories := make([][]int32, len(cases))
	for i, c := range cases {
		histories[i] = c.History
	}
	each := make([]float64, len(cases))
	w.ScoresBatch(histories, runtime.GOMAXPROCS(0), func(i int, scores []float32, _ bool) {
		never := float32(math.Inf(-1))
		scores[0] = never
		for _, id := range histories[i] {
			scores[id] = never
		}
		each[i] = eval.HR(eval.Rank(scores, int(cases[i].Targets[0])), cutoff)
	})
	var sum float64
	for _, h := range each {
		sum += h
	}
	return sum / float64(max(len(cases), 1))
}
