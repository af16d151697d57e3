package words

import (
	"math"

	"github.com/softrec/softrec/trainer/model/counts"
)

// Scratch is the memory of a request. The zero value is ready. It is not safe for concurrent use.
type Scratch struct {
	query counts.Sparse // by term
}

// Like adds to out, by item index, the cosine of each item's title with the sum of the titles of items, the k-th times weight(k),
// which must be above 0. Only items that share a word with them are touched. Items that the table does not hold are passed over.
// out must have room for Len indices and is not cleared first.
func (t *Table) Like(items []int32, weight func(k int) float32, s *Scratch, out *counts.Sparse) {
	s.query.Reset(len(t.texts))
	for k, item := range items {
		if int(item) >= len(t.items) {
			continue
		}
		w := weight(k) * t.inverse[item]
		for _, term := range t.items[item] {
			if x := w * t.weights[term]; x > 0 {
				s.query.Touch(term, x)
			}
		}
	}
	sum := 0.0
	for _, term := range s.query.Touched {
		sum += float64(s.query.Values[term]) * float64(s.query.Values[term])
	}
	if sum == 0 {
		return
	}
	length := float32(math.Sqrt(sum))
	for _, term := range s.query.Touched {
		t.spread(term, s.query.Values[term]/length, out)
	}
}

// spread adds what a term of that value in the query brings to the items that have it.
func (t *Table) spread(term int32, value float32, out *counts.Sparse) {
	value *= t.weights[term]
	for _, item := range t.holders[term] {
		if x := value * t.inverse[item]; x > 0 {
			out.Touch(item, x)
		}
	}
}
