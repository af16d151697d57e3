package counts

// back is how many of the newest interactions an item is counted as following, and shrink what is added to a row's total
// before dividing by it, so that rarely seen items say little.
const (
	back   = 10
	shrink = 5
)

// backWeight is 0.8^k for the k-th newest interaction.
var backWeight = [back]float32{1, 0.8, 0.64, 0.512, 0.4096, 0.32768, 0.262144, 0.2097152, 0.16777216, 0.134217728}

// Sparse sums scores by item and remembers which items it touched, so that clearing it costs no pass over the catalogue.
// The zero value is ready. It is not safe for concurrent use.
type Sparse struct {
	Values  []float32 // by item index
	Touched []int32   // the indices of the positive values, each once, in order of first touch
}

// Reset sets every value to zero and makes room for n indices.
func (s *Sparse) Reset(n int) {
	for _, i := range s.Touched {
		s.Values[i] = 0
	}
	s.Touched = s.Touched[:0]
	s.Values = extend(s.Values, n)
}

// add sums w times r, normalised by its total, into s.
func (s *Sparse) add(r *row, w float32) {
	if r == nil {
		return
	}
	w /= r.total + shrink
	for i, item := range r.items {
		v := s.Values[item]
		if v == 0 {
			s.Touched = append(s.Touched, item)
		}
		s.Values[item] = v + w*r.weights[i]
	}
}

// Transitions adds to out, by item index, the windowed transition score: over the 10 newest entries of history (newest
// last), the k-th newest with weight 0.8^k, the item's share of what followed that entry, row / (total + 5). Items
// beyond len(out) are left out; out is not cleared first.
func (c *Counts) Transitions(history []int32, out []float32) {
	for k := range min(len(history), back) {
		r := c.row(history[len(history)-1-k])
		if r == nil {
			continue
		}
		w := backWeight[k] / (r.total + shrink)
		for i, item := range r.items {
			if int(item) < len(out) {
				out[item] += w * r.weights[i]
			}
		}
	}
}

// TransitionsSparse is Transitions into an accumulator, which it resets first.
func (c *Counts) TransitionsSparse(history []int32, s *Sparse) {
	s.Reset(c.Len())
	for k := range min(len(history), back) {
		s.add(c.row(history[len(history)-1-k]), backWeight[k])
	}
}

// Cosines sums into s, which it resets first, the cosine of the transition table between the 10 newest entries of history
// and every item: the weight of the transition over the root of both rows' totals, the k-th newest with weight 0.8^k. Unlike a
// share of a row it holds back what follows everything.
func (c *Counts) Cosines(history []int32, s *Sparse) {
	s.Reset(c.Len())
	for k := range min(len(history), back) {
		r := c.row(history[len(history)-1-k])
		if r == nil {
			continue
		}
		w := backWeight[k] / sqrt32(r.total+shrink)
		for i, item := range r.items {
			s.Touch(item, w*r.weights[i])
		}
	}
	if r := c.ready.Load(); r != nil {
		for _, item := range s.Touched {
			s.Values[item] /= r.roots[item]
		}
		return
	}
	for _, item := range s.Touched {
		s.Values[item] /= c.root(item)
	}
}

// BasketTransitions sums into s, which it resets first, the mean share row / (total + 5) over the distinct items given:
// what follows a basket whose inner order says nothing.
func (c *Counts) BasketTransitions(items []int32, s *Sparse) {
	s.Reset(c.Len())
	for _, item := range items {
		s.add(c.row(item), 1/float32(len(items)))
	}
}

// Similar sums into s, which it resets first, how strongly each item goes with item: the weight both ways over the root
// of the product of both totals, a cosine of the transition table. When few items followed, the rows of all others are
// searched as well.
func (c *Counts) Similar(item int32, s *Sparse) {
	const few = 64
	s.Reset(c.Len())
	from := c.row(item)
	if from != nil {
		for i, other := range from.items {
			c.both(item, other, from.weights[i], from.total, s)
		}
	}
	if item < 1 || from != nil && len(from.items) >= few {
		return
	}
	for other := int32(1); int(other) < c.Len(); other++ {
		if from.weight(other) == 0 {
			c.both(item, other, 0, from.totalWeight(), s)
		}
	}
}

// both scores one pair of Similar, of which the way forward is known.
func (c *Counts) both(item, other int32, forward, total float32, s *Sparse) {
	if item == other {
		return
	}
	to := c.row(other)
	both := forward + to.weight(item)
	if both <= 0 {
		return
	}
	s.Touched = append(s.Touched, other)
	s.Values[other] = both / sqrt32((total+shrink)*(to.totalWeight()+shrink))
}

// root is what a cosine of the transition table is divided by on the side of item.
func (c *Counts) root(item int32) float32 { return sqrt32(c.row(item).totalWeight() + shrink) }

// row returns what followed item, nil when nothing is known.
func (c *Counts) row(item int32) *row { return c.tables[tabFollows].at(item) }
