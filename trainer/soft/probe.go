package soft

import (
	"math/rand/v2"
	"slices"
)

// Stages of a round, mixed into the seed so that no two of them draw the same numbers. Their numbers are part of what
// makes old records repeatable: add new ones at the end.
const (
	seedProbe uint64 = iota + 1
	seedTeacher
	seedStudent
)

// Probe draws min(size, prompts) distinct prompts of 0..prompts-1 from seed, in ascending order. Within a round the
// same ones are measured before every epoch, or the distance would move with the sample.
func Probe(prompts, size int, seed uint64) []int {
	size = max(0, min(size, prompts))
	rng := rand.New(rand.NewPCG(seed, seedProbe))
	taken := make(map[int]struct{}, size)
	for top := prompts - size; top < prompts; top++ { // Floyd's sampling: memory for the sample, not for the prompts
		pick := rng.IntN(top + 1)
		if _, dup := taken[pick]; dup {
			pick = top
		}
		taken[pick] = struct{}{}
	}
	probe := make([]int, 0, size)
	for i := range taken {
		probe = append(probe, i)
	}
	slices.Sort(probe)
	return probe
}

// passSeed derives the seed of one pass.
func passSeed(seed, stage uint64, epoch int) uint64 {
	rng := rand.New(rand.NewPCG(seed, stage))
	rng.Uint64()
	return rand.NewPCG(rng.Uint64(), uint64(epoch)).Uint64()
}
