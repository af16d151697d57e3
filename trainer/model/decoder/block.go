package decoder

// block is some titles of each prompt, laid out for one run.
type block struct {
	batch
	wide    int // titles of a prompt
	titles  [][]candidateOf
	targets []int32
}

// block takes as many titles from at on as fit a run.
func (s *scoring) block(lists [][]candidateOf, at, most, rows int) block {
	c := s.g.base.Config()
	b := block{wide: 1, titles: make([][]candidateOf, len(lists))}
	width := func(wide int) int {
		n := 0
		for _, l := range lists {
			if len(l) > at {
				n = max(n, len(l[min(at+wide, len(l))-1].ids))
			}
		}
		return length(n, c.MaxPositions)
	}
	for w := 4; w < 4*most && w*rows <= s.g.cfg.Rows && w*rows*width(w)*c.Vocab*4 <= s.g.cfg.LogitMiB<<20; w *= 4 {
		b.wide = w
	}
	flat := make([][]int32, 0, rows*b.wide)
	for i, l := range lists {
		if len(l) > at {
			b.titles[i] = l[at:min(at+b.wide, len(l))]
		}
		for j := range b.wide {
			var t []int32
			if j < len(b.titles[i]) {
				t = b.titles[i][j].ids
			}
			flat = append(flat, t)
		}
	}
	b.batch = pad(flat, rows*b.wide, width(b.wide))
	b.targets = make([]int32, len(b.ids))
	for r, t := range flat {
		if len(t) > 0 {
			copy(b.targets[r*b.width:], t[1:])
			b.targets[r*b.width+len(t)-1] = s.g.eos[0]
		}
	}
	return b
}
