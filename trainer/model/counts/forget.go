package counts

import "slices"

// ForgetItems takes items out, as if nobody had ever taken them: their sums, what followed them, what they followed and went with,
// and their places in profiles. Their indices stay, and they count anew. It takes a pass over everything.
func (c *Counts) ForgetItems(items []int32) {
	gone := make([]bool, c.Len())
	any := false
	for _, i := range items {
		if i >= 1 && int(i) < len(gone) {
			gone[i], any = true, true
		}
	}
	if !any {
		return
	}
	c.ready.Store(nil)
	for i, out := range gone {
		if !out {
			continue
		}
		for k := range c.columns {
			d := &c.columns[k]
			d.total = max(0, d.total-d.values[i])
			d.values[i] = 0
		}
		c.firstAt[i], c.lastAt[i], c.seen[i], c.repeats[i] = 0, 0, 0, 0
	}
	own := c.owner.Load()
	for k := range c.tables {
		c.tables[k].forget(own, gone)
	}
	c.near.forgetItems(gone)
}

// forget drops the rows of items and their weights in all others.
func (p *pairs) forget(own *owner, gone []bool) {
	for i, r := range p.rows {
		switch {
		case r == nil:
		case gone[i]:
			p.rows[i] = nil
		case slices.ContainsFunc(r.items, func(to int32) bool { return gone[to] }):
			p.rows[i] = r.without(own, gone)
		}
	}
}

// without returns a copy of r that own may change and that has none of the items; nil for a row with nothing left.
func (r *row) without(own *owner, gone []bool) *row {
	left := &row{owner: own, total: r.total, ref: r.ref}
	for k, to := range r.items {
		if gone[to] {
			left.total -= r.weights[k]
			continue
		}
		left.items, left.weights = append(left.items, to), append(left.weights, r.weights[k])
	}
	if len(left.items) == 0 {
		return nil
	}
	left.total = max(0, left.total)
	return left
}

// forgetItems drops the takers of items, and the items from all profiles, which are replaced, as profiles never change. One that has nothing
// left is forgotten as Counts.Forget does it: it may be a taker of items that had made room in it.
func (n *neighbours) forgetItems(gone []bool) {
	for i := range n.takers {
		if gone[i] {
			n.takers[i] = nil
		}
	}
	out := func(item int32) bool { return gone[item] }
	empty := make([]bool, len(n.profiles)) // by slot
	any := false
	for at, p := range n.profiles {
		if p == nil || !slices.ContainsFunc(p.items, out) {
			continue
		}
		left := *p
		left.items = slices.DeleteFunc(slices.Clone(p.items), out)
		if len(left.items) == 0 {
			delete(n.of, p.user)
			left = profile{serial: p.serial}
			empty[at], any = true, true
		}
		n.profiles[at] = &left
	}
	if any {
		n.dropTakers(func(s int32) bool { at := s % maxProfiles; return empty[at] && n.profiles[at].serial == s })
	}
}

// dropTakers takes the serials that are out off the takers of all items.
func (n *neighbours) dropTakers(out func(serial int32) bool) {
	for i, list := range n.takers {
		if slices.ContainsFunc(list, out) {
			n.takers[i] = slices.DeleteFunc(slices.Clone(list), out)
		}
	}
}
