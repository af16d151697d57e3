package mixer

import (
	"math/rand/v2"
	"slices"
)

// kept is how many candidates besides the targets a remembered case keeps.
const kept = 96

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

// Memory keeps the newest cases of earlier fits, thinned, so that every fit sees far more than the few held-out baskets
// of one round: measured on a real log, this is worth as much as the fit itself. Its cases are as their models saw
// them when they were held out. The zero value remembers nothing; NewMemory makes one that does.
type Memory struct {
	limit int
	cases []Case
}

// NewMemory returns a memory of at most limit cases (about 5 kB each, encoded).
func NewMemory(limit int) *Memory { return &Memory{limit: max(limit, 0)} }

// Add remembers the cases that have a target among their candidates, oldest first, and forgets the oldest beyond the
// limit. Equal seeds thin equally.
func (m *Memory) Add(cases []Case, seed uint64) {
	for i, c := range cases {
		if c.lines() > 0 {
			m.cases = append(m.cases, Thin(c, kept, seed+uint64(i)))
		}
	}
	if drop := len(m.cases) - m.limit; drop > 0 {
		m.cases = slices.Clone(m.cases[drop:])
	}
}

// Cases returns what is remembered, oldest first, for Fit. The slice is read only.
func (m *Memory) Cases() []Case { return m.cases }

// Clone returns an independent copy; the cases themselves never change and are shared.
func (m *Memory) Clone() *Memory { return &Memory{limit: m.limit, cases: slices.Clone(m.cases)} }
