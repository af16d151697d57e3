package experiment

import (
	"slices"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/model/counts"
)

// transitions ranks by windowed transitions counted over everything before the test part: the bar.
func (l *lab) transitions(variant) (outcome, error) {
	c := counts.NewCounts(counts.DefaultConfig())
	for _, q := range slices.Concat(l.parts.Train, l.parts.Valid) {
		observe(c, q.Past, q)
	}
	return l.counted(c)
}

// samePrompts ranks by transitions counted over what the training prompts of this seed show.
func (l *lab) samePrompts(variant) (outcome, error) {
	return l.counted(shownBy(l.data.Train, l.parts.Train, l.o.History))
}

// shownBy counts every pair inside the windows of prompts, which are of history items: each line of a basket once however many windows hold
// it, and whether it is a prompt's target, too. The baskets are those of train.
func shownBy(prompts, train []split.Question, history int) *counts.Counts {
	byUser := map[int32][]split.Question{}
	for _, q := range train {
		byUser[q.User] = append(byUser[q.User], q)
	}
	c := counts.NewCounts(counts.DefaultConfig())
	type line struct{ user, at, item int32 }
	done := map[line]bool{}
	once := func(past []int32, q split.Question) {
		q.Targets = slices.DeleteFunc(slices.Clone(q.Targets), func(item int32) bool {
			l := line{q.User, int32(len(q.Past)), item}
			was := done[l]
			done[l] = true
			return was
		})
		observe(c, past, q)
	}
	for _, prompt := range prompts {
		from := max(0, len(prompt.Past)-history)
		for _, q := range byUser[prompt.User] {
			if len(q.Past) > from && len(q.Past) < len(prompt.Past) {
				once(q.Past[from:], q)
			}
		}
		once(prompt.Past[from:], prompt)
	}
	return c
}

// observe counts a basket. Counts number items from 1.
func observe(c *counts.Counts, past []int32, q split.Question) {
	history := make([]int32, len(past))
	for i, item := range past {
		history[i] = item + 1
	}
	for _, t := range q.Targets {
		c.Update(counts.Observation{History: history, Item: t + 1, Time: q.At})
	}
}

func (l *lab) counted(c *counts.Counts) (outcome, error) {
	start := l.now()
	scores := make([]float32, len(l.catalogue.Items)+1)
	ranks := make([][]float64, len(l.test))
	for i, q := range l.test {
		clear(scores)
		history := make([]int32, 0, len(q.Past))
		for _, item := range q.Past {
			history = append(history, item+1)
		}
		c.Transitions(history, scores)
		ranks[i] = rankTargets(scores[1:], q, l.parts.FilterSeen)
	}
	return outcome{ranks: ranks, ranked: l.now().Sub(start)}, l.ctx.Err()
}
