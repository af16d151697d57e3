package mixer

import (
	"math/rand/v2"
	"slices"
)

// Thin returns c with its targets and at most n others, drawn by seed, each of which then stands for its share of the
// others: the loss of a thinned case is an estimate of the whole one's, at a fraction of its memory and time.
func Thin(c Case, n int, seed uint64) Case {
	var others []int
	for i, t := range c.Targets {
		if t == 0 {
			others = append(others, i)
		}
	}
	if len(others) <= n || n < 1 || c.Stands != nil {
		return c
	}
	rng := rand.New(rand.NewPCG(seed, 0x7468696e))
	rng.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	stands := float32(len(others)) / float32(n)
	drop := make([]bool, len(c.Targets))
	for _, i := range others[n:] {
		drop[i] = true
	}
	f := len(c.Items) / len(c.Targets)
	out := Case{Context: slices.Clone(c.Context), Missed: c.Missed}
	for i, t := range c.Targets {
		if drop[i] {
			continue
		}
		out.Items = append(out.Items, c.Items[i*f:(i+1)*f]...)
		out.Targets = append(out.Targets, t)
		if t == 0 {
			out.Stands = append(out.Stands, stands)
		} else {
			out.Stands = append(out.Stands, 1)
		}
	}
	out.Items, out.Targets, out.Stands = slices.Clip(out.Items), slices.Clip(out.Targets), slices.Clip(out.Stands)
	return out
}
