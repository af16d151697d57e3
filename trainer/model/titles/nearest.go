package titles

import (
	"cmp"
	"container/heap"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// Hit is one answer of Nearest.
type Hit struct {
	ID    string
	Row   int
	Score float32 // greater is nearer; see Metric
}

// Scores writes the score of every row against q to out, -Inf for empty rows, and returns the number of rows, which is
// at most len(out): an out made from Rows may miss items that came since.
func (x *Index) Scores(q, out []float32) (int, error) {
	query, err := x.prepare(q)
	if err != nil {
		return 0, fmt.Errorf("score titles: %w", err)
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	n := min(len(out), len(x.ids))
	x.scores(query, out[:n])
	return n, nil
}

// scores does the work of Scores under the lock.
func (x *Index) scores(q, out []float32) {
	n := len(out)
	if n == 0 {
		return
	}
	if x.metric == L2 {
		for r := range out {
			out[r] = -squared(q, x.vecs[r*x.dim:(r+1)*x.dim])
		}
	} else {
		blas32.Gemv(blas.NoTrans, 1,
			blas32.General{Rows: n, Cols: x.dim, Stride: x.dim, Data: x.vecs[:n*x.dim]},
			blas32.Vector{N: x.dim, Inc: 1, Data: q}, 0, blas32.Vector{N: n, Inc: 1, Data: out})
	}
	for _, r := range x.free {
		if r < n {
			out[r] = float32(math.Inf(-1))
		}
	}
}

// squared is the squared distance by differences: norms less a product would lose the small distances of long vectors.
func squared(a, b []float32) float32 {
	b = b[:len(a)]
	var s [4]float32
	i := 0
	for ; i+4 <= len(a); i += 4 {
		d0, d1, d2, d3 := a[i]-b[i], a[i+1]-b[i+1], a[i+2]-b[i+2], a[i+3]-b[i+3]
		s[0] += d0 * d0
		s[1] += d1 * d1
		s[2] += d2 * d2
		s[3] += d3 * d3
	}
	for ; i < len(a); i++ {
		d := a[i] - b[i]
		s[0] += d * d
	}
	return s[0] + s[1] + s[2] + s[3]
}

// Nearest returns the k items with the highest scores against q among those that allow lets through (nil: all), best
// first, ties by id, so that the order in which equal titles came decides nothing. Fewer come back where there are fewer.
func (x *Index) Nearest(q []float32, k int, allow func(id string) bool) ([]Hit, error) {
	query, err := x.prepare(q)
	if err != nil {
		return nil, fmt.Errorf("find nearest titles: %w", err)
	}
	if k < 1 {
		return nil, fmt.Errorf("find nearest titles: k %d: want at least 1", k)
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	scores := make([]float32, len(x.ids))
	x.scores(query, scores)
	best := make(hits, 0, min(k, len(scores)))
	for row, s := range scores {
		hit := Hit{x.ids[row], row, s}
		if hit.ID == "" || len(best) == k && hit.order(best[0]) >= 0 || allow != nil && !allow(hit.ID) {
			continue
		}
		if len(best) < k {
			heap.Push(&best, hit)
			continue
		}
		best[0] = hit
		heap.Fix(&best, 0)
	}
	slices.SortFunc(best, Hit.order)
	return best, nil
}

// order is below 0 where h comes before other.
func (h Hit) order(other Hit) int {
	return cmp.Or(cmp.Compare(other.Score, h.Score), cmp.Compare(h.ID, other.ID))
}

// hits is a heap with the worst answer on top.
type hits []Hit

func (h hits) Len() int           { return len(h) }
func (h hits) Less(i, j int) bool { return h[i].order(h[j]) > 0 }
func (h hits) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push adds a Hit, for container/heap.
func (h *hits) Push(v any) { *h = append(*h, v.(Hit)) }

// Pop takes the last Hit, for container/heap.
func (h *hits) Pop() any {
	old := *h
	v := old[len(old)-1]
	*h = old[:len(old)-1]
	return v
}
