package rival

import (
	"context"
	"slices"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// The windowed transitions count an item as following each of the newest back events of its user, the k-th newest with
// weight 0.8^k, and divide a row by its sum plus shrink, so that rare items say little.
const (
	back   = 10
	decay  = 0.8
	shrink = 5
)

// transitions ranks items by what followed the user's newest events, equal ones by popularity. Nothing is forgotten.
type transitions struct {
	items   order
	rows    []row
	recent  [][]int32 // by user: the newest events, oldest first
	sums    []float64 // by item, zero between two answers
	touched []int32   // items with a sum
	buf     []scored
}

// row is what followed one item, by item ascending.
type row struct {
	items  []int32
	weight []float64
	total  float64
}

// NewTransitions returns the model of windowed transitions.
func NewTransitions() Contender { return &transitions{} }

// Name implements Contender.
func (t *transitions) Name() string { return evaluation.Transitions }

// Answer implements Contender.
func (t *transitions) Answer(q Question) (Answer, error) {
	w := 1.0
	t.touched = t.touched[:0]
	for _, from := range slices.Backward(t.window(q.User)) {
		r := &t.rows[from]
		share := w / (r.total + shrink)
		for i, item := range r.items {
			if t.sums[item] == 0 {
				t.touched = append(t.touched, item)
			}
			t.sums[item] += share * r.weight[i]
		}
		w *= decay
	}
	for _, item := range q.Had {
		if t.items.has(item) {
			t.sums[item] = 0
		}
	}
	t.buf = t.buf[:0]
	for _, item := range t.touched {
		if t.sums[item] > 0 {
			t.buf = append(t.buf, scored{item: item, score: t.sums[item], then: t.items.weight[item]})
			t.sums[item] = 0
		}
	}
	return answer(q, t.buf, &t.items), nil
}

func (t *transitions) window(user int32) []int32 {
	if int(user) >= len(t.recent) {
		return nil
	}
	return t.recent[user]
}

// Learn implements Contender. No line of a basket follows another of it: their order is none of time.
func (t *transitions) Learn(_ context.Context, b *Basket) error {
	for _, l := range b.Lines {
		t.items.add(l.Item, 1)
	}
	for len(t.rows) < len(t.items.weight) {
		t.rows, t.sums = append(t.rows, row{}), append(t.sums, 0)
	}
	for int(b.User) >= len(t.recent) {
		t.recent = append(t.recent, nil)
	}
	window := t.recent[b.User]
	w := 1.0
	for _, from := range slices.Backward(window) {
		for _, l := range b.Lines {
			t.rows[from].add(l.Item, w)
		}
		w *= decay
	}
	for _, l := range b.Lines[max(0, len(b.Lines)-back):] {
		window = append(window, l.Item)
	}
	t.recent[b.User] = slices.Clone(window[max(0, len(window)-back):])
	return nil
}

func (r *row) add(item int32, w float64) {
	i, found := slices.BinarySearch(r.items, item)
	if !found {
		r.items, r.weight = slices.Insert(r.items, i, item), slices.Insert(r.weight, i, 0)
	}
	r.weight[i] += w
	r.total += w
}
