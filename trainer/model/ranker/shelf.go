package ranker

import (
	"math"
	"slices"
	"time"

	"github.com/softrec/softrec/trainer/model/pace"
)

// The columns of an item that do not depend on the request, and what goes into others.
const (
	shelfRare = iota // 1 / root of its popularity ever
	shelfPopular
	shelfMonth
	shelfDay
	shelfFirst
	shelfThree
	shelfHours
	shelfLong
	shelfEver
	shelfFresh
	shelfNew
	shelfReturn
	shelfColumns
)

// shelf is what a bundle lays out when it is made, so that no answer computes it again: 48 bytes an item for the columns, 4 for the order
// by popularity.
type shelf struct {
	items   []float32 // by item of the counts, shelfColumns each
	popular []int32   // all items of the vocabulary, the most popular first
	trend   []int32   // the first orderLen of TrendOrder,
	first   []int32   // FirstOrder
	fresh   []int32   // and FreshOrder
	uniform float64   // logarithm of the number of items the network scores
	groups  [][]int   // partColumns
	unseen  [shelfColumns]float32
}

// orderLen is how many of an order are kept sorted: enough for most filters.
const orderLen = 2048

func newShelf(b *Bundle, p *pace.Pacer) *shelf {
	c := b.Counts
	s := &shelf{groups: partColumns(b.ReadsText()), items: make([]float32, c.Len()*shelfColumns)}
	if b.Sequence != nil {
		s.uniform = math.Log(float64(max(b.Sequence.Vocab()-1, 1)))
	}
	for i := range int32(c.Len()) {
		f := c.Figures(i, time.Time{})
		if f.Seen == 0 {
			continue
		}
		copy(s.of(i), []float32{
			shelfRare: float32(1 / math.Sqrt(f.Ever+0.1)), shelfPopular: log1p(f.Popularity), shelfMonth: log1p(f.Month), shelfDay: log1p(f.Day), shelfFirst: log1p(f.First),
			shelfThree: log1p(f.Three), shelfHours: log1p(f.Hours), shelfLong: log1p(f.Long), shelfEver: log1p(f.Ever), shelfFresh: log1p(f.Fresh),
			shelfNew: log1p(f.New), shelfReturn: float32(f.Repeats),
		})
		p.Did(500) // a dozen logarithms
	}
	n := b.Vocab.Len()
	s.popular = order(c.PopularityOrder(), n, p)
	s.trend, s.first, s.fresh = top(c.TrendOrder(), n, p), top(c.FirstOrder(), n, p), top(c.FreshOrder(), n, p)
	return s
}

// of returns the columns of an item, zeros for one that the counts do not know.
func (s *shelf) of(item int32) []float32 {
	at := int(item) * shelfColumns
	if at+shelfColumns > len(s.items) {
		return s.unseen[:]
	}
	return s.items[at : at+shelfColumns]
}

// order lists the items 1 to n-1, the highest score first, equal ones by index. Items beyond the scores have 0.
func order(scores []float64, n int, p *pace.Pacer) []int32 {
	all := make([]int32, 0, max(n-1, 0))
	for i := int32(1); int(i) < n; i++ {
		all = append(all, i)
	}
	score := func(i int32) float64 {
		if int(i) < len(scores) {
			return scores[i]
		}
		return 0
	}
	slices.SortFunc(all, func(a, b int32) int {
		p.Did(10)
		if (entry{item: a, score: score(a)}).better(entry{item: b, score: score(b)}) {
			return -1
		}
		return 1
	})
	return all
}

// top is the beginning of order.
func top(scores []float64, n int, p *pace.Pacer) []int32 {
	var t topK
	t.reset(min(orderLen, max(n-1, 0)))
	for i := int32(1); int(i) < n; i++ {
		e := entry{item: i}
		if int(i) < len(scores) {
			e.score = scores[i]
		}
		if t.wants(e) {
			t.push(e)
			p.Did(60)
		}
		p.Did(4)
	}
	out := make([]int32, 0, len(t.entries))
	for _, e := range t.sorted() {
		out = append(out, e.item)
	}
	return out
}
