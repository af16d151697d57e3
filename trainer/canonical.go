package trainer

import (
	"slices"
	"time"

	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// canonical is a cut in the model's own indices: whatever order the partitions were read in, the same offsets give
// the same vocabulary, the same segments in the same order.
type canonical struct {
	Vocab *vocab.Vocab
	Segs  []segment
}

// canonicalise extends the vocabulary by the cut's new items in canonical order of their first interaction and
// renumbers the cut's segments.
func canonicalise(base *vocab.Vocab, c cut) canonical {
	v := base.Clone()
	sortSegments(c.New)
	for _, s := range freshSteps(c.New) {
		v.Add(c.Items[s.Item])
	}
	remap := make([]int32, len(c.Items))
	for i, id := range c.Items {
		if j, ok := v.Lookup(id); ok {
			remap[i] = j
		}
	}
	out := canonical{Vocab: v, Segs: make([]segment, len(c.New))}
	for i, s := range c.New {
		steps := make([]step, len(s.Steps))
		for k, x := range s.Steps {
			x.Item = remap[x.Item]
			steps[k] = x
		}
		out.Segs[i] = segment{User: s.User, Steps: steps, First: s.First}
	}
	return out
}

// freshSteps returns every fresh step of segs in canonical order.
func freshSteps(segs []segment) []step {
	out := make([]step, 0, countFresh(segs))
	for _, s := range segs {
		out = append(out, s.Steps[s.First:]...)
	}
	slices.SortFunc(out, compareSteps)
	return out
}

// eachFresh calls visit for every fresh step of segs in canonical order.
func eachFresh(segs []segment, visit func(s segment, i int)) {
	type ref struct{ seg, at int }
	refs := make([]ref, 0, countFresh(segs))
	for i, s := range segs {
		for k := s.First; k < len(s.Steps); k++ {
			refs = append(refs, ref{i, k})
		}
	}
	slices.SortFunc(refs, func(a, b ref) int { return compareSteps(segs[a.seg].Steps[a.at], segs[b.seg].Steps[b.at]) })
	for _, r := range refs {
		visit(segs[r.seg], r.at)
	}
}

// count feeds step i of s to c, with the window before its basket.
func count(c *counts.Counts, s segment, i, windowLen int) {
	c.Update(s.observation(i, windowLen))
}

// observation is what the counts learn of step i.
func (s segment) observation(i, windowLen int) counts.Observation {
	history := s.before(i, windowLen)
	times := make([]int64, len(history))
	for k, x := range history {
		times[k] = x.TS
	}
	return counts.Observation{
		User: counts.UserKey(s.User), History: itemsOf(history), Times: times, Basket: itemsOf(s.Steps[max(s.First, s.basketStart(i)):i]),
		Item: s.Steps[i].Item, Time: time.UnixMilli(s.Steps[i].TS),
	}
}

// observe feeds every fresh step of segs to c in canonical order.
func observe(c *counts.Counts, segs []segment, windowLen int) {
	eachFresh(segs, func(s segment, i int) { count(c, s, i, windowLen) })
}

// holdOut splits segs at the event time that leaves about share of the fresh interactions newer than it. Whole baskets
// stay together, and whole instants too, unless the clock of the log is so coarse (days, for example) that less than half
// of the share is newer: then the last users of the instant at the border are held out with it.
func holdOut(segs []segment, share float64, windowLen int) (train, held []segment) {
	all := freshSteps(segs)
	if len(all) == 0 || share <= 0 {
		return segs, nil
	}
	border := min(len(all)-1, int(float64(len(all))*(1-share)))
	at := all[border].TS
	tied := tiedAtBorder(segs, at, len(all)-border, countAfter(all, at))
	for i, s := range segs {
		cut := at
		if tied[i] {
			cut = at - 1
		}
		before, after := s.splitAt(cut, windowLen)
		if before.fresh() > 0 {
			train = append(train, before)
		}
		if after.fresh() > 0 {
			held = append(held, after)
		}
	}
	sortSegments(held)
	return train, held
}

// countAfter counts the steps newer than ts; all is in canonical order.
func countAfter(all []step, ts int64) int {
	n := 0
	for i := len(all) - 1; i >= 0 && all[i].TS > ts; i-- {
		n++
	}
	return n
}

// tiedAtBorder marks the segments, the last ones first, whose basket at ts is held out because too few interactions are newer.
func tiedAtBorder(segs []segment, ts int64, want, have int) map[int]bool {
	tied := map[int]bool{}
	if have*2 >= want {
		return tied
	}
	for i := len(segs) - 1; i >= 0 && have < want; i-- {
		n := 0
		for _, x := range segs[i].Steps[segs[i].First:] {
			if x.TS == ts {
				n++
			}
		}
		if n > 0 {
			tied[i] = true
			have += n
		}
	}
	return tied
}

// newest parts segs by event time such that about limit fresh interactions lie in the second part.
func newest(segs []segment, limit, windowLen int) (older, newer []segment) {
	n := countFresh(segs)
	if n <= limit {
		return nil, segs
	}
	return holdOut(segs, float64(limit)/float64(n), windowLen)
}

// splitHeld parts what was held out by time: the older half fits the mixing model and stops the training early, the
// newer half is seen by nobody but the gate.
func splitHeld(held []segment, windowLen int) (fit, gate []segment) {
	return holdOut(held, 0.5, windowLen)
}
