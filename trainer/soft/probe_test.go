package soft

import (
	"slices"
	"testing"
)

func TestProbe_isDistinctSortedInRangeAndRepeatable(t *testing.T) {
	for _, prompts := range []int{0, 1, 2, 255, 256, 257, 10_000} {
		for seed := range uint64(20) {
			p := Probe(prompts, 256, seed)
			if len(p) != min(256, prompts) {
				t.Fatalf("%d prompts: %d probes", prompts, len(p))
			}
			for i, x := range p {
				if x < 0 || x >= prompts || i > 0 && x <= p[i-1] {
					t.Fatalf("%d prompts seed %d: probe[%d] = %d after %v", prompts, seed, i, x, p[max(0, i-1)])
				}
			}
			if !slices.Equal(p, Probe(prompts, 256, seed)) {
				t.Fatalf("%d prompts seed %d: not repeatable", prompts, seed)
			}
		}
	}
	if slices.Equal(Probe(10_000, 256, 1), Probe(10_000, 256, 2)) {
		t.Error("two seeds drew the same probe set")
	}
}

func TestProbe_isUniform(t *testing.T) {
	const prompts, size, runs = 10, 3, 20_000
	var seen [prompts]int
	for seed := range uint64(runs) {
		for _, x := range Probe(prompts, size, seed) {
			seen[x]++
		}
	}
	for x, n := range seen {
		if want := runs * size / prompts; n < want*95/100 || n > want*105/100 {
			t.Errorf("prompt %d drawn %d times, want about %d", x, n, want)
		}
	}
}

func TestPassSeed_differsByStageAndEpoch(t *testing.T) {
	seen := map[uint64]bool{}
	for _, seed := range []uint64{0, 1, 2, 1 << 63} {
		for _, stage := range []uint64{seedTeacher, seedStudent} {
			for e := range 50 {
				s := passSeed(seed, stage, e)
				if seen[s] {
					t.Fatalf("seed %d stage %d epoch %d repeats a seed", seed, stage, e)
				}
				seen[s] = true
			}
		}
	}
}
