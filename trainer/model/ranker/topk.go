package ranker

import "slices"

// entry is one scored item.
type entry struct {
	item  int32
	at    int32 // where the caller keeps it; says nothing about the order
	score float64
}

// better orders entries: higher scores first, equal ones by index.
func (a entry) better(b entry) bool {
	return a.score > b.score || a.score == b.score && a.item < b.item
}

// topK keeps the k best entries it was offered: a heap with the worst of them on top. The answer does not depend on the
// order of the offers.
type topK struct {
	k       int
	entries []entry
}

func (t *topK) reset(k int) {
	t.k = k
	t.entries = t.entries[:0]
}

// wants reports whether e would be kept: callers ask before they pay for a check of the item.
func (t *topK) wants(e entry) bool {
	return len(t.entries) < t.k || t.k > 0 && e.better(t.entries[0])
}

// push adds an entry that wants reported true for.
func (t *topK) push(e entry) {
	if len(t.entries) < t.k {
		t.entries = append(t.entries, e)
		t.up(len(t.entries) - 1)
		return
	}
	t.entries[0] = e
	t.down()
}

func (t *topK) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !t.entries[parent].better(t.entries[i]) {
			return
		}
		t.entries[i], t.entries[parent] = t.entries[parent], t.entries[i]
		i = parent
	}
}

func (t *topK) down() {
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(t.entries) {
			return
		}
		if right := child + 1; right < len(t.entries) && t.entries[child].better(t.entries[right]) {
			child = right
		}
		if !t.entries[i].better(t.entries[child]) {
			return
		}
		t.entries[i], t.entries[child] = t.entries[child], t.entries[i]
		i = child
	}
}

// sorted returns the entries, best first. The heap must be reset before it is used again.
func (t *topK) sorted() []entry {
	slices.SortFunc(t.entries, func(a, b entry) int {
		if a.better(b) {
			return -1
		}
		return 1
	})
	return t.entries
}
