package rival

import (
	"cmp"
	"math"
	"slices"
)

// top is the length of the lists.
const top = 10

// scored is an item with a score of its own, above 0.
type scored struct {
	item  int32
	score float64
	then  float64 // breaks ties of score, the larger first
}

// ranking is scored items first, then all others in a common order; what the question leaves out is in neither. Equal items
// share the middle of their places, and stand in the list by their numbers.
type ranking struct {
	first []scored
	rest  *order
	q     Question
}

// answer ranks first, which must not hold what q leaves out, before rest.
func answer(q Question, first []scored, rest *order) Answer {
	r := &ranking{first: first, rest: rest, q: q}
	return Answer{Top: r.top(), Rank: r.rank}
}

// above compares two scored items: negative when a comes before b, 0 when they tie.
func above(a, b scored) int {
	switch {
	case a.score > b.score || a.score == b.score && a.then > b.then:
		return -1
	case a.score == b.score && a.then == b.then:
		return 0
	default:
		return 1
	}
}

// top takes the best of first, one by one, then those of rest that are not among them.
func (r *ranking) top() []int32 {
	best := make([]scored, 0, top+1)
	for _, s := range r.first {
		if len(best) == top && listed(best[top-1], s) < 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, s, listed)
		best = slices.Insert(best, at, s)
		best = best[:min(len(best), top)]
	}
	out := make([]int32, 0, top)
	for _, s := range best {
		out = append(out, s.item)
	}
	if len(out) == top {
		return out
	}
	for _, item := range r.rest.sorted { // fewer than ten scored: a look through them costs nothing
		if len(out) == top {
			break
		}
		if !r.q.Excluded(item) && !slices.ContainsFunc(r.first, func(s scored) bool { return s.item == item }) {
			out = append(out, item)
		}
	}
	return out
}

// listed is above with the number of the item as the last word.
func listed(a, b scored) int { return cmp.Or(above(a, b), cmp.Compare(a.item, b.item)) }

// rank is 1 plus the items above plus half of those that tie.
func (r *ranking) rank(item int32) float64 {
	if !r.rest.has(item) || r.q.Excluded(item) {
		return math.Inf(1)
	}
	if i := slices.IndexFunc(r.first, func(s scored) bool { return s.item == item }); i >= 0 {
		over, ties := 0, -1
		for _, s := range r.first {
			switch c := above(s, r.first[i]); {
			case c < 0:
				over++
			case c == 0:
				ties++
			}
		}
		return 1 + float64(over) + float64(ties)/2
	}
	return r.restRank(item)
}

// restRank is the rank of an item without a score of its own: all scored ones are above it, and those of the common order
// that are neither scored nor left out.
func (r *ranking) restRank(item int32) float64 {
	w := r.rest.weight[item]
	over, end := r.rest.span(w)
	ties := end - over - 1
	out := func(other int32) {
		switch v := r.rest.weight[other]; {
		case v > w:
			over--
		case v == w:
			ties--
		}
	}
	for _, s := range r.first {
		out(s.item)
	}
	for _, had := range r.q.Had {
		if r.rest.has(had) {
			out(had)
		}
	}
	return 1 + float64(len(r.first)+over) + float64(ties)/2
}
