package ranker

import (
	"time"

	"github.com/softrec/softrec/schema"
)

// Rank returns the best min(N, allowed items of the vocabulary) items, best first, each once; equal scores are ordered by
// index. Without a known item in the window the answer is what is popular. It may be called concurrently.
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
	b.gather(s, selection{n: req.N, allow: req.Allow, excludeHistory: req.ExcludeHistory})
	b.describe(s)
	if cap(s.scores) < len(s.cands) {
		s.scores = make([]float64, len(s.cands), 2*len(s.cands))
	}
	s.scores = s.scores[:len(s.cands)]
	b.Mixer.Scores(s.context[:], s.columns, s.scores)
	s.top.reset(req.N)
	for i, score := range s.scores {
		if e := (entry{item: s.cands[i], at: int32(i), score: score}); s.top.wants(e) {
			s.top.push(e)
		}
	}
	best := s.top.sorted()
	out := make([]Scored, len(best))
	groups := partColumns()
	for i, e := range best {
		out[i] = b.explain(s, e, groups, req.Explain)
	}
	return out
}

// explain names the part that contributed most. A part that had nothing to say about the item cannot be the source.
func (b *Bundle) explain(s *scratch, e entry, groups [][]int, parts bool) Scored {
	x := s.columns[int(e.at)*itemColumns : int(e.at+1)*itemColumns]
	var effect [numParts]float64
	b.Mixer.Effects(s.context[:], x, groups, effect[:])
	spoke := [numParts]bool{
		partRepeat:  x[colOwned] != 0,
		partModel:   x[colSequence] != 0,
		partSimilar: x[colFollows] != 0 || x[colFollowsAll] != 0,
		partPopular: true,
	}
	top := partPopular
	for p := range partPopular {
		if spoke[p] && (effect[p] > effect[top] || effect[p] == effect[top] && top == partPopular) {
			top = p
		}
	}
	out := Scored{Item: b.Vocab.ID(e.item), Index: e.item, Score: e.score, Source: partSource[top]}
	if parts {
		out.Parts = make(map[string]float64, numParts)
		for p, source := range partSource {
			out.Parts[string(source)] = effect[p]
		}
	}
	return out
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
	best(b, s, selection{n: n, allow: allow}, n, b.Counts.PopularityOrder(), b.Vocab.Len())
	out := make([]Scored, len(s.cands))
	for i, item := range s.cands {
		out[i] = Scored{Item: b.Vocab.ID(item), Index: item, Score: b.Counts.Figures(item, now).Popularity, Source: schema.SourcePopular}
	}
	return out
}
