package trainer

import (
	"context"
	"runtime"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// questions makes one question of every basket among the fresh steps of segs, in canonical order of the segments, and
// keeps the newest limit of them. A basket without history is a question too: new users count.
func questions(segs []segment, v *vocab.Vocab, windowLen, limit int) []ranker.Question {
	var out []ranker.Question
	for _, s := range segs {
		for start := s.First; start < len(s.Steps); start = basketEnd(s.Steps, start) {
			out = append(out, questionAt(s, start, v, windowLen))
		}
	}
	return out[max(0, len(out)-limit):]
}

// questionAt asks for the basket of s that fresh step start begins.
func questionAt(s segment, start int, v *vocab.Vocab, windowLen int) ranker.Question {
	q := ranker.Question{History: interactions(s.before(start, windowLen), v.ID), Now: time.UnixMilli(s.Steps[start].TS).UTC()}
	for _, x := range s.Steps[start:basketEnd(s.Steps, start)] {
		q.Items = append(q.Items, v.ID(x.Item))
	}
	return q
}

// lines counts the interactions asked for.
func lines(qs []ranker.Question) int {
	n := 0
	for _, q := range qs {
		n += len(q.Items)
	}
	return n
}

// judge asks b every question, the newest of them with the language model's text, and returns the rank of every line, in
// order; an item outside the first cutoff places has an infinite rank.
func judge(ctx context.Context, b *ranker.Bundle, qs []ranker.Question, texts *reader) ([]float64, error) {
	ranks := make([]float64, 0, lines(qs))
	readings := texts.readings(ctx, b, qs)
	for i, q := range qs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		top := places(b.Rank(ranker.Request{History: q.History, Now: q.Now, N: cutoff, Text: texts.text(readings, i)}))
		for _, item := range q.Items {
			ranks = append(ranks, placeOf(top, item))
		}
	}
	return ranks, nil
}

// validation puts questions into the form the network's early stop reads.
func validation(qs []ranker.Question, v *vocab.Vocab) []seqtrain.Case {
	var out []seqtrain.Case
	for _, q := range qs {
		var c seqtrain.Case
		for _, x := range q.History {
			if i, ok := v.Lookup(x.ItemID); ok {
				c.History = append(c.History, i)
			}
		}
		for _, id := range q.Items {
			if i, ok := v.Lookup(id); ok {
				c.Targets = append(c.Targets, i)
			}
		}
		if len(c.History) > 0 && len(c.Targets) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// hits is how many of the validation part's interactions n alone has among its first cutoff items, as a share.
func (r *rounds) hits(w *work, n *sequence.Weights) float64 {
	cases := validation(w.fit, w.vocab)
	histories, targets := make([][]int32, len(cases)), 0
	for i, c := range cases {
		histories[i] = c.History
		targets += len(c.Targets)
	}
	found := make([]int, len(cases))
	n.ScoresBatch(histories, max(1, runtime.GOMAXPROCS(0)/2), func(i int, scores []float32, _ bool) {
		for _, t := range cases[i].Targets {
			if eval.HR(ranker.MidRank(scores, t), cutoff) == 1 {
				found[i]++
			}
		}
	})
	sum := 0
	for _, f := range found {
		sum += f
	}
	return float64(sum) / float64(max(1, targets))
}

// tallyOf sums ranks up.
func tallyOf(ranks []float64) schema.Scores {
	t := eval.NewTally(cutoff)
	for _, r := range ranks {
		t.Add(r)
	}
	return scores(t.Metrics())
}
