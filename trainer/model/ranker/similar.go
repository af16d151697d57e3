package ranker

import (
	"math"

	"github.com/softrec/softrec/schema"
)

// Similar returns the n allowed items most like item, best first, without item itself: half by how often they follow each
// other (a cosine of the transition table), half by the cosine of their vectors in the network, each on the scale of
// its best item. What is missing to n is filled with what is popular, scored 0. An unknown item has no similar ones: the
// answer is empty.
func (b *Bundle) Similar(item string, n int, allow func(item string) bool) []Scored {
	index, ok := b.Vocab.Lookup(item)
	if !ok || n <= 0 {
		return nil
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.nextRound(b.Vocab.Len())
	s.cands, s.owner = s.cands[:0], s.owner[:0]
	s.mark(index, markRefused)
	sel := selection{n: n, allow: allow}
	b.Counts.Similar(index, &s.follows)
	s.has = b.cosines(s, index)
	k := max(n, perSource)
	b.bestOf(s, sel, k, &s.follows)
	if s.has && s.indexed {
		b.bestOfNear(s, sel, k, b.Vocab.Len())
	} else if s.has {
		best(b, s, sel, k, s.network, len(s.network))
	}
	out := b.blend(s, n)
	if len(out) == n {
		return out
	}
	for _, item := range s.cands {
		s.mark(item, markAllowed)
	}
	s.cands, s.owner = s.cands[:0], s.owner[:0]
	for _, e := range out {
		s.mark(e.Index, markRefused) // it is in the answer already
	}
	bestInOrder(b, s, sel, n-len(out), b.shelf.popular, b.Counts.PopularityOrder())
	for _, i := range s.cands {
		out = append(out, Scored{Item: b.Vocab.ID(i), Index: i, Source: schema.SourcePopular})
	}
	return out
}

// cosines fills s.network with the cosine of every item's vector with that of item, or where there is an index s.near with those of the items
// near it.
func (b *Bundle) cosines(s *scratch, item int32) bool {
	if b.Sequence == nil || int(item) >= b.Sequence.Vocab() {
		return false
	}
	own := b.Sequence.Item(item)
	if s.indexed = b.index != nil; s.indexed {
		s.query = append(s.query[:0], own...)
		b.index.Search(b.Sequence.Items(), own, &s.near)
		for i, row := range s.near.Rows {
			s.near.Scores[i] = cosine(own, b.Sequence.Item(row))
		}
		return true
	}
	s.network = sized(s.network, b.Sequence.Vocab())
	size := math.Sqrt(dot(own, own))
	for i := range s.network {
		row := b.Sequence.Item(int32(i))
		s.network[i] = 0
		if length := size * math.Sqrt(dot(row, row)); length > 0 {
			s.network[i] = float32(dot(own, row) / length)
		}
	}
	return true
}

// cosine is 0 where a vector has no length.
func cosine(a, b []float32) float32 {
	if length := math.Sqrt(dot(a, a)) * math.Sqrt(dot(b, b)); length > 0 {
		return float32(dot(a, b) / length)
	}
	return 0
}

// blend scores the candidates of Similar and returns the best n with any likeness.
func (b *Bundle) blend(s *scratch, n int) []Scored {
	topFollows, topCosine := b.peaks(s)
	s.top.reset(n)
	for i, item := range s.cands {
		follows, cosine := b.likeness(s, item, topFollows, topCosine)
		if e := (entry{item: item, at: int32(i), score: (follows + cosine) / 2}); e.score > 0 && s.top.wants(e) {
			s.top.push(e)
		}
	}
	out := make([]Scored, 0, n)
	for _, e := range s.top.sorted() {
		source := schema.SourceSimilar
		if follows, cosine := b.likeness(s, e.item, topFollows, topCosine); cosine > follows {
			source = schema.SourceModel
		}
		out = append(out, Scored{Item: b.Vocab.ID(e.item), Index: e.item, Score: e.score, Source: source})
	}
	return out
}

// peaks returns the best transition and the best cosine among the candidates.
func (b *Bundle) peaks(s *scratch) (follows, cosine float64) {
	for _, item := range s.cands {
		f, c := b.likeness(s, item, 1, 1)
		follows, cosine = max(follows, f), max(cosine, c)
	}
	return follows, cosine
}

func (b *Bundle) likeness(s *scratch, item int32, topFollows, topCosine float64) (follows, near float64) {
	if int(item) < len(s.follows.Values) && topFollows > 0 {
		follows = float64(s.follows.Values[item]) / topFollows
	}
	if s.has && int(item) < b.Sequence.Vocab() && topCosine > 0 {
		near = max(float64(b.nearness(s, item)), 0) / topCosine
	}
	return follows, near
}

// nearness is the cosine of an item with Similar's, after cosines.
func (b *Bundle) nearness(s *scratch, item int32) float32 {
	if s.indexed {
		return cosine(s.query, b.Sequence.Item(item))
	}
	return s.network[item]
}

func dot(a, b []float32) float64 {
	sum := float32(0)
	for i, v := range a {
		sum += v * b[i]
	}
	return float64(sum)
}
