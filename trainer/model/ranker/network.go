package ranker

// RankNetwork returns the n best allowed items by the network's score alone, best first; none without a network or with a
// window it knows nothing of.
func (b *Bundle) RankNetwork(req Request) []Scored {
	if req.N <= 0 || b.Sequence == nil {
		return nil
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.window(b, req.History, req.Now)
	if !b.scoreAll(s) {
		return nil
	}
	sel := selection{n: req.N, allow: req.Allow, excludeHistory: req.ExcludeHistory}
	s.nextRound(b.Vocab.Len())
	s.cands, s.owner = s.cands[:0], s.owner[:0]
	for _, r := range s.repeats {
		if sel.excludeHistory {
			s.mark(r.Item, markRefused)
		}
	}
	best(b, s, sel, req.N, s.network, len(s.network))
	out := make([]Scored, len(s.cands))
	for i, item := range s.cands {
		out[i] = Scored{Item: b.Vocab.ID(item), Index: item, Score: float64(s.network[item]), Source: partSource[partModel]}
	}
	return out
}
