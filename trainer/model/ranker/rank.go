package ranker

import (
	"time"

	"github.com/softrec/softrec/schema"
)

// Rank returns the best min(N, allowed items of the vocabulary) items at least, best first, each once; equal scores are
// ordered by index. With a Text, new items of the catalogue compete with them. Without a known item in the window the answer is what is popular. It may be called concurrently.
func (b *Bundle) Rank(req Request) []Scored {
	if req.N <= 0 {
		return nil
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	return b.rank(s, req)
}

func (b *Bundle) rank(s *scratch, req Request) []Scored {
	s.window(b, req.History, req.Now)
	s.readText(b, req.Text, req.History)
	b.gather(s, selection{n: req.N, allow: req.Allow, excludeHistory: req.ExcludeHistory})
	b.describe(s)
	if cap(s.scores) < len(s.cands) {
		s.scores = make([]float64, len(s.cands), 2*len(s.cands))
	}
	s.scores = s.scores[:len(s.cands)]
	b.Mixer.Scores(s.contextOf(b), s.columns, s.scores)
	s.top.reset(req.N)
	for i, score := range s.scores {
		if e := (entry{item: s.cands[i], at: int32(i), score: score}); s.top.wants(e) {
			s.top.push(e)
		}
	}
	best := s.top.sorted()
	out := make([]Scored, len(best))
	groups := b.shelf.groups
	for i, e := range best {
		out[i] = b.explain(s, e, groups, req.Explain)
	}
	return out
}

// explain names the part that contributed most. A part that had nothing to say about the item cannot be the source.
func (b *Bundle) explain(s *scratch, e entry, groups [][]int, parts bool) Scored {
	width := b.width()
	x := s.columns[int(e.at)*width : int(e.at+1)*width]
	var effect [numTextParts]float64
	b.Mixer.Effects(s.contextOf(b), x, groups, effect[:])
	known := int(e.item) < b.Vocab.Len()
	out := Scored{Item: s.id(b, e.item), Score: e.score, Source: schema.SourceText}
	if known {
		out.Index, out.Source = e.item, partSource[leading(x, effect[:len(groups)])]
	}
	if parts {
		out.Parts = make(map[string]float64, len(groups))
		for p := range groups {
			out.Parts[string(partSource[p])] = effect[p]
		}
	}
	return out
}

// leading is the part with the greatest effect among those that had something to say about an item of the vocabulary.
func leading(x []float32, effect []float64) int {
	spoke := [numTextParts]bool{
		partRepeat:  x[colOwned] != 0,
		partModel:   x[colSequence] != 0,
		partSimilar: x[colFollows] != 0 || x[colFollowsAll] != 0 || x[colWords] != 0,
		partText:    len(effect) > partText && x[colTitled] != 0,
	}
	top := partPopular
	for _, p := range []int{partRepeat, partModel, partText, partSimilar} {
		if spoke[p] && (effect[p] > effect[top] || effect[p] == effect[top] && top == partPopular) {
			top = p
		}
	}
	return top
}

// Popular returns the n most popular allowed items, best first, with their popularity (1 = the mean item) as score.
// Popularity fades at the same pace for all items, so the order is the same at any time; now is asked for because a
// bundle with other counts may need it.
func (b *Bundle) Popular(now time.Time, n int, allow func(item string) bool) []Scored {
	if n <= 0 {
		return nil
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.nextRound(b.Vocab.Len())
	s.cands, s.owner = s.cands[:0], s.owner[:0]
	bestInOrder(b, s, selection{n: n, allow: allow}, n, b.shelf.popular, b.Counts.PopularityOrder())
	out := make([]Scored, len(s.cands))
	for i, item := range s.cands {
		out[i] = Scored{Item: b.Vocab.ID(item), Index: item, Score: b.Counts.Figures(item, now).Popularity, Source: schema.SourcePopular}
	}
	return out
}
