package rival

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// order keeps items sorted by a weight that never falls, the heaviest first and equal ones by number. A heavier item moves
// up to its place, so that keeping the order costs a search and the items it passes.
type order struct {
	weight []float64 // by item
	sorted []int32
	place  []int32 // by item: where it stands in sorted
}

// add gives item more weight, above 0. Items come in order of their numbers.
func (o *order) add(item int32, more float64) {
	for int(item) >= len(o.weight) {
		n := int32(len(o.weight))
		o.weight, o.sorted, o.place = append(o.weight, 0), append(o.sorted, n), append(o.place, n)
	}
	o.weight[item] += more
	w, from := o.weight[item], int(o.place[item])
	to := sort.Search(from, func(i int) bool {
		other := o.sorted[i]
		return o.weight[other] < w || o.weight[other] == w && other > item
	})
	copy(o.sorted[to+1:from+1], o.sorted[to:from])
	o.sorted[to] = item
	for i := to; i <= from; i++ {
		o.place[o.sorted[i]] = int32(i)
	}
}

// scale multiplies all weights by 2^shift: exactly, but for those that vanish and then tie.
func (o *order) scale(shift int) {
	for i, w := range o.weight {
		o.weight[i] = math.Ldexp(w, shift)
	}
	slices.SortFunc(o.sorted, func(a, b int32) int {
		return cmp.Or(cmp.Compare(o.weight[b], o.weight[a]), cmp.Compare(a, b))
	})
	for i, item := range o.sorted {
		o.place[item] = int32(i)
	}
}

func (o *order) has(item int32) bool { return item >= 0 && int(item) < len(o.weight) }

// span returns where the items of a weight begin and end in sorted.
func (o *order) span(w float64) (from, to int) {
	from = sort.Search(len(o.sorted), func(i int) bool { return o.weight[o.sorted[i]] <= w })
	to = from + sort.Search(len(o.sorted)-from, func(i int) bool { return o.weight[o.sorted[from+i]] < w })
	return from, to
}
