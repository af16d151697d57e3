package ranker

import (
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/mixer"
)

// Question is a request whose outcome is known: what the user did next.
type Question struct {
	History []schema.Interaction // the window before the basket, oldest first
	Now     time.Time            // when the basket happened
	Items   []string             // its lines; an item may be there several times

	ExcludeHistory bool  // the answer would leave out what is in the window
	Text           *Text // what the language model says about the history, nil for nothing
}

// CasesFor turns questions into cases for mixer.Fit: the candidates and columns Rank would use, and which of them were
// interacted with. Lines with items that are no candidates are counted as missed. The bundle's mixer has no say.
func (b *Bundle) CasesFor(questions []Question) []mixer.Case {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	out := make([]mixer.Case, len(questions))
	for i, q := range questions {
		out[i] = b.caseFor(s, q)
	}
	return out
}

func (b *Bundle) caseFor(s *scratch, q Question) mixer.Case {
	s.window(b, q.History, q.Now)
	s.readText(b, q.Text, q.History)
	b.gather(s, selection{n: perSource, excludeHistory: q.ExcludeHistory})
	b.describe(s)
	c := mixer.Case{
		Context: append([]float32(nil), s.contextOf(b)...),
		Items:   append([]float32(nil), s.columns...),
		Targets: make([]float32, len(s.cands)),
	}
	place := make(map[string]int, len(s.cands))
	for i, item := range s.cands {
		place[s.id(b, item)] = i
	}
	for _, id := range q.Items {
		if at, ok := place[id]; ok {
			c.Targets[at]++
		} else {
			c.Missed++
		}
	}
	return c
}
