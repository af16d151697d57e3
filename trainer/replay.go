package trainer

import (
	"math/rand/v2"
	"slices"
)

// replay keeps the newest examples of past rounds. A round draws part of its training data from it, so that it learns
// the new without forgetting the old (ADER, arXiv 2007.12000).
type replay struct {
	Limit int       // interactions kept
	Segs  []segment // oldest first
	Fresh int       // interactions held now
}

// add appends segments and drops the oldest beyond the limit.
func (r *replay) add(segs []segment) {
	r.Segs = slices.Concat(r.Segs, segs)
	r.Fresh += countFresh(segs)
	drop := 0
	for drop < len(r.Segs) && r.Fresh > r.Limit {
		r.Fresh -= r.Segs[drop].fresh()
		drop++
	}
	r.Segs = slices.Clone(r.Segs[drop:])
}

// sample draws segments without replacement until they hold about want interactions, in the buffer's order.
func (r *replay) sample(want int, seed uint64) []segment {
	rng := rand.New(rand.NewPCG(seed, 0x7e91))
	picked := make([]bool, len(r.Segs))
	got := 0
	for _, i := range rng.Perm(len(r.Segs)) {
		if got >= want {
			break
		}
		picked[i] = true
		got += r.Segs[i].fresh()
	}
	var out []segment
	for i, p := range picked {
		if p {
			out = append(out, r.Segs[i])
		}
	}
	return out
}

// forget drops every example of user.
func (r *replay) forget(user string) {
	r.Segs = dropUser(r.Segs, user)
	r.Fresh = countFresh(r.Segs)
}

// dropUser returns segs without those of user.
func dropUser(segs []segment, user string) []segment {
	out := segs[:0:0]
	for _, s := range segs {
		if s.User != user {
			out = append(out, s)
		}
	}
	return out
}
