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

// askers names the user of every question that questions makes of the same segs.
func askers(segs []segment, limit int) []string {
	var out []string
	for _, s := range segs {
		for start := s.First; start < len(s.Steps); start = basketEnd(s.Steps, start) {
			out = append(out, s.User)
		}
	}
	return out[max(0, len(out)-limit):]
}

// perLine repeats the user of each question for every line of it.
func perLine(qs []ranker.Question, users []string) []string {
	out := make([]string, 0, lines(qs))
	for i, q := range qs {
		for range q.Items {
			out = append(out, users[i])
		}
	}
	return out
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

// answers is what a model said to questions.
type answers struct {
	ranks []float64 // of every line, in order; infinite outside the first cutoff places
	lists lists
}

// judge asks b every question, the newest of them with the language model's text.
func judge(ctx context.Context, b *ranker.Bundle, qs []ranker.Question, texts *reader) (answers, error) {
	out := answers{ranks: make([]float64, 0, lines(qs))}
	readings := texts.readings(ctx, b, qs)
	for i, q := range qs {
		if err := ctx.Err(); err != nil {
			return answers{}, err
		}
		list := b.Rank(ranker.Request{History: q.History, Now: q.Now, N: cutoff, Text: texts.text(readings, i)})
		runtime.Gosched() // answers to users go first
		out.lists.add(list, wanted(b))
		top := places(list)
		for _, item := range q.Items {
			out.ranks = append(out.ranks, placeOf(top, item))
		}
	}
	return out, nil
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
