package eval

// Rolling holds the newest ranks, at most its size, and the metrics over them.
type Rolling struct {
	k     int
	size  int
	ranks []float64 // a ring once it is full
	next  int       // where the next rank goes; the oldest rank once the ring is full
}

// NewRolling returns an empty window of metrics at k over the newest size ranks; size below 1 counts as 1.
func NewRolling(k, size int) *Rolling { return &Rolling{k: k, size: max(1, size)} }

// Add puts one rank in and, where the window is full, the oldest out.
func (r *Rolling) Add(rank float64) {
	if len(r.ranks) < r.size {
		r.ranks = append(r.ranks, rank)
		return
	}
	r.ranks[r.next] = rank
	r.next = (r.next + 1) % r.size
}

// Count is the number of ranks held.
func (r *Rolling) Count() int { return len(r.ranks) }

// Full reports whether a further rank pushes one out.
func (r *Rolling) Full() bool { return len(r.ranks) == r.size }

// Ranks returns the ranks held, oldest first, as a copy. Adding them to a new Rolling rebuilds this one.
func (r *Rolling) Ranks() []float64 {
	out := make([]float64, 0, len(r.ranks))
	return append(append(out, r.ranks[r.next:]...), r.ranks[:r.next]...)
}

// Metrics returns the means over the ranks held. They are summed afresh, in the order of their arrival: sums kept by adding
// and taking away would drift, and would depend on what has long left the window.
func (r *Rolling) Metrics() Metrics {
	t := NewTally(r.k)
	for _, rank := range r.ranks[r.next:] {
		t.Add(rank)
	}
	for _, rank := range r.ranks[:r.next] {
		t.Add(rank)
	}
	return t.Metrics()
}
