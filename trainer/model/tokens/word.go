package tokens

import "container/heap"

// word is a text being merged: a list of symbols linked by position, and the merges that can happen, best first. The queue makes it
// n log n: models without a pre-tokeniser merge a whole text at once.
type word struct {
	merges  map[[2]int32]merge
	symbols []symbol
	queue   queue
}

// symbol is a token in the making; gone marks one that was merged into its left neighbour.
type symbol struct {
	id         int32
	prev, next int // -1 at the ends
	gone       bool
}

// candidate is a merge of the symbol at a position with its right neighbour.
type candidate struct {
	merge
	at int
}

// queue orders candidates by rank, then from left to right.
type queue []candidate

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].rank < q[j].rank || q[i].rank == q[j].rank && q[i].at < q[j].at
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is heap's.
func (q *queue) Push(x any) { *q = append(*q, x.(candidate)) }

// Pop is heap's.
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// mergeAll merges until nothing more can be and appends the ids left.
func (w *word) mergeAll(out []int32) []int32 {
	for i := range w.symbols {
		w.symbols[i].prev, w.symbols[i].next = i-1, i+1
	}
	if n := len(w.symbols); n > 0 {
		w.symbols[n-1].next = -1
	}
	for i := range w.symbols {
		if c, ok := w.candidate(i); ok {
			w.queue = append(w.queue, c)
		}
	}
	heap.Init(&w.queue)
	for len(w.queue) > 0 {
		c := heap.Pop(&w.queue).(candidate)
		now, ok := w.candidate(c.at)
		if w.symbols[c.at].gone || !ok || now.id != c.id { // overtaken by another merge
			continue
		}
		w.apply(c)
	}
	for _, s := range w.symbols {
		if !s.gone {
			out = append(out, s.id)
		}
	}
	return out
}

// candidate returns the merge of the symbol at i with its right neighbour, if there is one.
func (w *word) candidate(i int) (candidate, bool) {
	s := w.symbols[i]
	if s.gone || s.next < 0 {
		return candidate{}, false
	}
	m, ok := w.merges[[2]int32{s.id, w.symbols[s.next].id}]
	return candidate{m, i}, ok
}

// apply merges two symbols and queues what their neighbours may now do.
func (w *word) apply(c candidate) {
	s := &w.symbols[c.at]
	right := &w.symbols[s.next]
	right.gone = true
	s.id, s.next = c.id, right.next
	if s.next >= 0 {
		w.symbols[s.next].prev = c.at
	}
	if s.prev >= 0 {
		if n, ok := w.candidate(s.prev); ok {
			heap.Push(&w.queue, n)
		}
	}
	if n, ok := w.candidate(c.at); ok {
		heap.Push(&w.queue, n)
	}
}
