package ranker

import (
	"math"

	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/sequence"
)

// perSource is how many items each source may propose.
const perSource = 100

// selection says which items may be candidates.
type selection struct {
	n              int // items wanted in the end
	allow          func(item string) bool
	excludeHistory bool
}

// gather fills s.cands: the window's items, then the best of the network, of the text (with new items of the catalogue), of what
// follows the window and its last basket, of titles like theirs, and of the popular ones. Filters are asked before each cut, and the popular items go through the whole
// vocabulary if they must, so there are min(n, allowed items) candidates at least.
func (b *Bundle) gather(s *scratch, sel selection) {
	n := b.Vocab.Len()
	s.nextRound(n + len(s.text.fresh))
	s.cands, s.owner = s.cands[:0], s.owner[:0]
	for i, r := range s.repeats {
		switch {
		case sel.excludeHistory:
			s.mark(r.Item, markRefused)
		case b.allowed(s, sel, r.Item):
			s.choose(r.Item, int32(i))
		}
	}
	b.Counts.TransitionsSparse(s.items, &s.follows)
	b.Counts.TransitionsSparse(newest(s.items), &s.newest)
	b.Counts.Cosines(s.items, &s.cosine)
	b.Counts.BasketTransitions(s.last, &s.basket)
	b.Counts.Next(s.last, s.now, &s.next)
	b.Counts.First(s.last, s.now, &s.first)
	b.Counts.First(s.prior, s.now, &s.before)
	b.goTogether(s)
	s.distinct = s.distinct[:0]
	for _, r := range s.repeats {
		s.distinct = append(s.distinct, r.Item)
	}
	b.Counts.Neighbours(s.distinct, s.now, &s.neighbours, &s.like)
	b.likeTitles(s)
	s.has = b.Sequence != nil && b.scoreNetwork(s)
	if s.has {
		b.bestOfNear(s, sel, perSource, n)
	}
	b.proposeText(s, sel)
	b.bestOf(s, sel, perSource, &s.follows)
	b.bestOf(s, sel, perSource, &s.cosine)
	b.bestOf(s, sel, perSource, &s.basket)
	b.bestOf(s, sel, perSource, &s.next)
	b.bestOf(s, sel, perSource, &s.first)
	b.bestOf(s, sel, perSource, &s.together)
	b.bestOf(s, sel, perSource, &s.neighbours)
	b.bestOf(s, sel, perSource/2, &s.words)
	b.bestOf(s, sel, perSource/2, &s.wordsLast)
	bestInOrder(b, s, sel, perSource/2, b.shelf.trend, b.Counts.TrendOrder())
	bestInOrder(b, s, sel, perSource/2, b.shelf.first, b.Counts.FirstOrder())
	bestInOrder(b, s, sel, perSource/2, b.shelf.fresh, b.Counts.FreshOrder())
	bestInOrder(b, s, sel, max(perSource, sel.n), b.shelf.popular, b.Counts.PopularityOrder())
}

// maxMates bounds the items of the last baskets whose company is looked up, mateLags the baskets; each basket back counts
// 0.85 of the one after it.
const (
	maxMates = 160
	mateLags = 20
	mateFade = 0.85
)

// goTogether fills s.together and s.mate.
func (b *Bundle) goTogether(s *scratch) {
	var size [mateLags]int
	for _, r := range s.repeats {
		if r.Lag < mateLags {
			size[r.Lag]++
		}
	}
	s.mates = s.mates[:0]
	for _, r := range s.repeats[:min(len(s.repeats), maxMates)] { // newest first
		if r.Lag >= mateLags {
			break
		}
		s.mates = append(s.mates, counts.Mate{Item: r.Item, Weight: float32(math.Pow(mateFade, float64(r.Lag))) / float32(size[r.Lag]), Last: r.Lag == 0})
	}
	b.Counts.Company(s.mates, s.now, &s.together, &s.mate)
}

// likeTitles fills s.words and s.wordsLast.
func (b *Bundle) likeTitles(s *scratch) {
	n := b.Vocab.Len()
	s.words.Reset(n)
	s.wordsLast.Reset(n)
	if b.Words == nil {
		return
	}
	recent := 0
	for recent < min(len(s.repeats), maxMates) && s.repeats[recent].Lag < mateLags {
		recent++
	}
	b.Words.Like(s.distinct[:recent], func(k int) float32 { return float32(math.Pow(mateFade, float64(s.repeats[k].Lag))) }, &s.wording, &s.words)
	b.Words.Like(s.last, func(int) float32 { return 1 }, &s.wording, &s.wordsLast)
}

// newest is the newest entry of a window, nothing of an empty one.
func newest(items []int32) []int32 { return items[max(0, len(items)-1):] }

// allowed asks the filter at most once per item and request.
func (b *Bundle) allowed(s *scratch, sel selection, item int32) bool {
	switch s.marked(item) {
	case markRefused:
		return false
	case markAllowed, markChosen:
		return true
	}
	if sel.allow != nil && !sel.allow(s.id(b, item)) {
		s.mark(item, markRefused)
		return false
	}
	s.mark(item, markAllowed)
	return true
}

// choose makes item a candidate, once.
func (s *scratch) choose(item, owner int32) {
	if s.marked(item) != markChosen {
		s.mark(item, markChosen)
		s.cands = append(s.cands, item)
		s.owner = append(s.owner, owner)
	}
}

// best chooses the k allowed items with the highest scores; items beyond the scores have 0.
func best[T float32 | float64](b *Bundle, s *scratch, sel selection, k int, scores []T, n int) {
	s.top.reset(k)
	for i := int32(1); int(i) < n; i++ {
		e := entry{item: i}
		if int(i) < len(scores) {
			e.score = float64(scores[i])
		}
		if s.top.wants(e) && b.allowed(s, sel, i) {
			s.top.push(e)
		}
	}
	s.chooseTop()
}

// bestOf is best over the items a sparse score touched.
func (b *Bundle) bestOf(s *scratch, sel selection, k int, scores *counts.Sparse) {
	s.top.reset(k)
	bar := float32(math.Inf(-1))
	for _, i := range scores.Touched {
		v := scores.Values[i]
		if v < bar {
			continue
		}
		if e := (entry{item: i, score: float64(v)}); s.top.wants(e) && b.allowed(s, sel, i) {
			s.top.push(e)
			if len(s.top.entries) == k {
				bar = float32(s.top.entries[0].score)
			}
		}
	}
	s.chooseTop()
}

func (s *scratch) chooseTop() {
	for _, e := range s.top.sorted() {
		s.choose(e.item, -1)
	}
}

// scoreNetwork fills s.network with logits by item, or where there is an index s.query with what the network makes of the window and s.near with
// the items near it, and s.logSum with the log of the softmax's normaliser. It reports whether the network knew anything of the window.
func (b *Bundle) scoreNetwork(s *scratch) bool {
	if s.indexed = b.index != nil; !s.indexed {
		if !b.scoreAll(s) {
			return false
		}
		s.logSum = sequence.LogSumExp(s.network[1:])
		return true
	}
	s.query = sized(s.query, b.Sequence.Config().Dim)
	if !b.Sequence.Vector(s.items, s.query) {
		return false
	}
	b.index.Search(b.Sequence.Items(), s.query, &s.near)
	s.logSum = b.index.LogSum(b.Sequence.Items(), s.query, &s.near)
	return true
}

// scoreAll fills s.network with logits by item.
func (b *Bundle) scoreAll(s *scratch) bool {
	n := b.Sequence.Vocab()
	s.network = sized(s.network, n)
	return n >= 2 && b.Sequence.Scores(s.items, s.network)
}

// logit is the network's score of an item below its vocabulary's length, after scoreNetwork.
func (b *Bundle) logit(s *scratch, item int32) float64 {
	if s.indexed {
		return dot(s.query, b.Sequence.Item(item))
	}
	return float64(s.network[item])
}

// bestOfNear is best over the network's scores, of the items near the window where there is an index.
func (b *Bundle) bestOfNear(s *scratch, sel selection, k, n int) {
	if !s.indexed {
		b.bestOfNetwork(s, sel, k, n)
		return
	}
	s.top.reset(k)
	bar := float32(math.Inf(-1))
	for i, v := range s.near.Scores {
		if v < bar {
			continue
		}
		if e := (entry{item: s.near.Rows[i], score: float64(v)}); s.top.wants(e) && b.allowed(s, sel, e.item) {
			s.top.push(e)
			if len(s.top.entries) == k {
				bar = float32(s.top.entries[0].score)
			}
		}
	}
	s.chooseTop()
}

// bestOfNetwork is best over the network's scores: nearly all of them are below the bar, so that is asked first.
func (b *Bundle) bestOfNetwork(s *scratch, sel selection, k, n int) {
	s.top.reset(k)
	bar := float32(math.Inf(-1))
	for i, v := range s.network {
		if v < bar || i == 0 {
			continue
		}
		if e := (entry{item: int32(i), score: float64(v)}); s.top.wants(e) && b.allowed(s, sel, e.item) {
			s.top.push(e)
			if len(s.top.entries) == k {
				bar = float32(s.top.entries[0].score)
			}
		}
	}
	for i := len(s.network); i < n; i++ {
		if e := (entry{item: int32(i)}); s.top.wants(e) && b.allowed(s, sel, e.item) {
			s.top.push(e)
		}
	}
	s.chooseTop()
}

// bestInOrder is best over scores that stand sorted, as far as they do.
func bestInOrder(b *Bundle, s *scratch, sel selection, k int, order []int32, scores []float64) {
	chosen := 0
	for _, item := range order {
		if chosen == k {
			return
		}
		if b.allowed(s, sel, item) {
			s.choose(item, -1)
			chosen++
		}
	}
	if n := b.Vocab.Len(); chosen < k && len(order) < n-1 {
		best(b, s, sel, k, scores, n)
	}
}
