package counts

import (
	"math"
	"slices"
)

// halveAt is the total weight at which a row is halved. float32 counts would stop growing near 2^24; halving is exact,
// keeps every ratio, and lets the busiest items forget slowly.
const halveAt = 1 << 20

// row holds what followed one item, sorted by item index: a binary search and a short move per update, a linear walk
// per read, and bytes that do not depend on the order of arrival.
type row struct {
	owner   *owner
	items   []int32
	weights []float32
	total   float32 // weight of all successors ever, the dropped ones included
	ref     int64   // time the weights are worth their value at, in half-lives of the table; 0 where they do not fade
}

// prune takes the smallest quarter out of a row, of equals those with the largest index. A full row of a fading table is
// pruned before a newcomer: that costs no search for the smallest at every one of them, and gives them time to grow.
func (r *row) prune() {
	sorted := slices.Clone(r.weights)
	slices.Sort(sorted)
	drop := max(len(sorted)/4, 1)
	if drop >= len(sorted) {
		r.items, r.weights = r.items[:0], r.weights[:0]
		return
	}
	bar := sorted[drop]
	from, _ := slices.BinarySearch(sorted, bar)
	spare := drop - from // entries at the bar that must go
	equal := -spare
	for _, v := range sorted[from:] {
		if v > bar {
			break
		}
		equal++
	}
	n := 0
	for i, v := range r.weights {
		if v < bar || v == bar && equal <= 0 {
			continue
		}
		if v == bar {
			equal--
		}
		r.items[n], r.weights[n] = r.items[i], v
		n++
	}
	r.items, r.weights = r.items[:n], r.weights[:n]
}

// holds reports whether item has a weight.
func (r *row) holds(item int32) bool {
	_, found := slices.BinarySearch(r.items, item)
	return found
}

// cloneFor returns a copy that own may change; a nil row is an empty one.
func (r *row) cloneFor(own *owner) *row {
	if r == nil {
		return &row{owner: own}
	}
	return &row{owner: own, items: slices.Clone(r.items), weights: slices.Clone(r.weights), total: r.total, ref: r.ref}
}

// add counts item with weight w, dropping the smallest successor (of equals the one with the largest index) when the row
// already holds limit others. The newcomer itself stays: it could never grow otherwise.
func (r *row) add(item int32, w float32, limit int) {
	r.total += w
	at, found := slices.BinarySearch(r.items, item)
	switch {
	case found:
		r.weights[at] += w
	case len(r.items) < limit:
		r.items = slices.Insert(r.items, at, item)
		r.weights = slices.Insert(r.weights, at, w)
	default:
		r.replace(r.smallest(), at, item, w)
	}
	if r.total >= halveAt && r.ref == 0 { // what fades cannot grow without end
		r.total /= 2
		for i := range r.weights {
			r.weights[i] /= 2
		}
	}
}

func (r *row) smallest() int {
	drop := 0
	for i, v := range r.weights {
		if v <= r.weights[drop] {
			drop = i
		}
	}
	return drop
}

// replace removes the entry at drop and puts item where it belongs, at being its place before the removal.
func (r *row) replace(drop, at int, item int32, w float32) {
	if drop < at {
		at--
		copy(r.items[drop:at], r.items[drop+1:])
		copy(r.weights[drop:at], r.weights[drop+1:])
	} else {
		copy(r.items[at+1:drop+1], r.items[at:drop])
		copy(r.weights[at+1:drop+1], r.weights[at:drop])
	}
	r.items[at], r.weights[at] = item, w
}

// weight returns how often item followed, 0 when never or dropped.
func (r *row) weight(item int32) float32 {
	if r == nil {
		return 0
	}
	if at, found := slices.BinarySearch(r.items, item); found {
		return r.weights[at]
	}
	return 0
}

// totalWeight is total, 0 for a nil row.
func (r *row) totalWeight() float32 {
	if r == nil {
		return 0
	}
	return r.total
}

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }
