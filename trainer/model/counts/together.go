package counts

// maxPairs bounds how many items of a basket, and of the basket before it, one interaction is paired with: a pair of
// bulk orders of 500 lines each would otherwise cost a quarter of a million updates.
const maxPairs = 48

// maxPartners bounds the rows of these tables: they are many, and a snapshot carries them all. Rows of 128
// with fewer takers and shorter profiles beside them cost the slate of first interactions a twentieth of its hits on a real log.
const maxPartners = 256

// mates is how many of the newest interactions of a history an item still goes together with, and mateWeight what one of
// the last basket weighs against a line of the same basket; every basket further back weighs 0.9 of the one after it.
const (
	mates      = 24
	mateWeight = 0.5
	mateFade   = 0.9
)

// pair notes what o's item came after and went with. It is called once for each distinct item of a basket.
func (c *Counts) pair(o Observation, ms int64, repeat bool) {
	own, limit := c.owner.Load(), min(c.cfg.MaxSuccessors, maxPartners)
	last, before := o.lastBaskets()
	link := func(table int, from, to int32, w float32) {
		if from >= 1 && from != to {
			c.grow(int(from) + 1)
			c.tables[table].add(own, from, to, w, ms, limit)
		}
	}
	for _, from := range last {
		share := 1 / float32(len(last))
		if from >= 1 {
			c.grow(int(from) + 1)
			c.tables[tabNext].add(own, from, o.Item, share, ms, limit)
		}
		if !repeat {
			link(tabFirst, from, o.Item, share)
		}
	}
	if !repeat {
		for _, from := range before {
			link(tabFirst, from, o.Item, 0.5/float32(len(before)))
		}
	}
	for _, mate := range newestOf(o.Basket, maxPairs) {
		link(tabTogether, mate, o.Item, 1)
		link(tabTogether, o.Item, mate, 1)
	}
	w := float32(mateWeight)
	for k := range min(mates, len(o.History)) {
		at := len(o.History) - 1 - k
		if k > 0 && (o.Times == nil || o.Times[at] != o.Times[at+1]) {
			w *= mateFade
		}
		link(tabTogether, o.History[at], o.Item, w)
		link(tabTogether, o.Item, o.History[at], w)
	}
}

// lastBaskets returns the last basket of the history and the one before it, the newest lines of each.
func (o Observation) lastBaskets() (last, before []int32) {
	end := len(o.History)
	start := basketStart(o.Times, end)
	last = newestOf(o.History[start:end], maxPairs)
	return last, newestOf(o.History[basketStart(o.Times, start):start], maxPairs)
}

// basketStart is where the basket that ends before end begins.
func basketStart(times []int64, end int) int {
	start := max(end-1, 0)
	for times != nil && start > 0 && times[start-1] == times[start] {
		start--
	}
	return start
}

func newestOf(items []int32, n int) []int32 { return items[max(0, len(items)-n):] }

// Next sums into s, which it resets first, the mean share of a basket's items in what came in the next basket:
// row / (total + 5) over the items given.
func (c *Counts) Next(items []int32, now int64, s *Sparse) { c.sum(tabNext, items, now, s) }

// First is Next over what was new to its user.
func (c *Counts) First(items []int32, now int64, s *Sparse) { c.sum(tabFirst, items, now, s) }

func (c *Counts) sum(table int, items []int32, now int64, s *Sparse) {
	s.Reset(c.Len())
	p := &c.tables[table]
	for _, item := range items {
		r := p.at(item)
		if r == nil {
			continue
		}
		f := p.read(r, now)
		w := f / (f*r.total + shrink) / float32(len(items))
		for i, to := range r.items {
			s.Touch(to, w*r.weights[i])
		}
	}
}

// Together adds to s, without a reset, weight times the cosine between item and every item it went together with: the
// weight of the pair over the root of both items' interactions, all of them fading at one pace.
func (c *Counts) Together(item int32, weight float32, now int64, s *Sparse) {
	p := &c.tables[tabTogether]
	r := p.at(item)
	if r == nil {
		return
	}
	col := &c.columns[colLong]
	fade := col.factor(now)
	weight *= p.read(r, now) / sqrt32(float32(col.values[item]*fade)+shrink)
	for i, to := range r.items {
		s.Touch(to, weight*r.weights[i]/sqrt32(float32(col.values[to]*fade)+shrink))
	}
}

// Mate is an item whose company is looked for.
type Mate struct {
	Item   int32
	Weight float32 // in the sum, above 0
	Last   bool    // it has a say in the best match
}

// Company sums into sum, which it resets first, the weighted cosines of Together over all mates, and keeps in best, which it resets too, the
// greatest cosine over those of them that are Last.
func (c *Counts) Company(mates []Mate, now int64, sum, best *Sparse) {
	n := c.Len()
	sum.Reset(n)
	best.Reset(n)
	p := &c.tables[tabTogether]
	col := &c.columns[colLong]
	fade := col.factor(now)
	for _, m := range mates {
		r := p.at(m.Item)
		if r == nil {
			continue
		}
		own := p.read(r, now) / sqrt32(float32(col.values[m.Item]*fade)+shrink)
		w := m.Weight * own
		for i, to := range r.items {
			sum.Touch(to, w*r.weights[i])
		}
		if !m.Last {
			continue
		}
		for i, to := range r.items {
			if v := own * r.weights[i]; v > best.Values[to] {
				best.Touch(to, v-best.Values[to])
			}
		}
	}
	// The other side's root is the same whatever the mate: one for each item that was touched.
	for _, to := range sum.Touched {
		root := sqrt32(float32(col.values[to]*fade) + shrink)
		sum.Values[to] /= root
		best.Values[to] /= root
	}
}

// Touch adds v, above 0, to the value of item, an index below the last Reset's n.
func (s *Sparse) Touch(item int32, v float32) {
	if s.Values[item] == 0 {
		s.Touched = append(s.Touched, item)
	}
	s.Values[item] += v
}
