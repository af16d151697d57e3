package offline

import (
	"math"
	"slices"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/trainer/eval"
)

// listed is what a model said to one question.
type listed struct {
	ranks []float64 // of the targets, from 1, ties in the middle
	top   []int32   // the ten best items, best first
}

var lowest = float32(math.Inf(-1))

// rankAll returns the ranks of a question's targets over all items less the history, ties at the middle of their places;
// it writes to scores. With a list it also notes the best ten there.
func rankAll(scores []float32, q Question, list *[]int32) []float64 {
	scores[0] = lowest
	for _, item := range q.History {
		scores[item] = lowest
	}
	out := make([]float64, len(q.Targets))
	for i, t := range q.Targets {
		out[i] = math.Inf(1)
		if scores[t] > lowest {
			out[i] = eval.Rank(scores, int(t))
		}
	}
	if list != nil {
		*list = top(scores, evaluation.Cut, (*list)[:0])
	}
	return out
}

// top appends the k items with the highest scores to dst, best first, equal ones by number. Items at minus infinity are none.
func top(scores []float32, k int, dst []int32) []int32 {
	from := len(dst)
	for i, s := range scores {
		n := len(dst) - from
		if s == lowest || n == k && !(s > scores[dst[len(dst)-1]]) {
			continue
		}
		if n < k {
			dst = append(dst, 0)
		}
		at := len(dst) - 1
		for at > from && scores[dst[at-1]] < s {
			dst[at] = dst[at-1]
			at--
		}
		dst[at] = int32(i)
	}
	return dst
}

// best is top for large k: the k highest by a partial sort, equal ones by number.
func best(scores []float32, k int, dst []int32) []int32 {
	var h heap
	for i, s := range scores {
		if s > lowest {
			h.offer(int32(i), s, k)
		}
	}
	from := len(dst)
	dst = append(dst, h.items...)
	slices.SortFunc(dst[from:], func(a, b int32) int {
		if scores[a] != scores[b] {
			return compare(scores[b], scores[a])
		}
		return int(a - b)
	})
	return dst
}

// heap holds the best items offered, the worst of them first. Of equal ones the first offered stays.
type heap struct {
	items  []int32
	scores []float32
}

func (h *heap) offer(item int32, score float32, k int) {
	if len(h.items) < k {
		h.items, h.scores = append(h.items, item), append(h.scores, score)
		for at := len(h.items) - 1; at > 0 && h.worse(at, (at-1)/2); at = (at - 1) / 2 {
			h.swap(at, (at-1)/2)
		}
		return
	}
	if score <= h.scores[0] {
		return
	}
	h.items[0], h.scores[0] = item, score
	for at := 0; ; {
		child := 2*at + 1
		if child >= len(h.items) {
			return
		}
		if child+1 < len(h.items) && h.worse(child+1, child) {
			child++
		}
		if !h.worse(child, at) {
			return
		}
		h.swap(at, child)
		at = child
	}
}

func (h *heap) worse(a, b int) bool {
	return h.scores[a] < h.scores[b] || h.scores[a] == h.scores[b] && h.items[a] > h.items[b]
}

func (h *heap) swap(a, b int) {
	h.items[a], h.items[b] = h.items[b], h.items[a]
	h.scores[a], h.scores[b] = h.scores[b], h.scores[a]
}
