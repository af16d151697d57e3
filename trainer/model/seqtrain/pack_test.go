package seqtrain

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSplit(t *testing.T) {
	seqs, prompts := split([]Example{
		{Items: []int32{1, 99, 2, 0, 3}, Targets: []int32{2, 4, 99, 5, 4}}, // 99 is unknown
		{Items: []int32{1, 2, 3, 4, 5, 6, 7}, Targets: []int32{0, 3, 4, 0, 0, 0, 8}},
		{Items: []int32{1}, Targets: []int32{0}},
	}, 3, 10)
	want := []sequenceOf{
		{items: []int32{1, 2, 3}, targets: []int32{2, 0, 4}, numbers: []int{0, -1, 1}},
		{items: []int32{2, 3, 4}, targets: []int32{3, 4, 0}, numbers: []int{2, 3, -1}},
		{items: []int32{5, 6, 7}, targets: []int32{0, 0, 8}, numbers: []int{-1, -1, 4}},
	}
	if prompts != 5 || !slices.EqualFunc(seqs, want, func(a, b sequenceOf) bool {
		return slices.Equal(a.items, b.items) && slices.Equal(a.targets, b.targets) && slices.Equal(a.numbers, b.numbers)
	}) {
		t.Errorf("%d prompts in %+v", prompts, seqs)
	}
}

func TestPack_everySequenceOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var seqs []sequenceOf
	slots := 0
	for range 500 {
		n := 1 + rng.IntN(20)
		slots += n
		seqs = append(seqs, sequenceOf{items: make([]int32, n)})
	}
	rows := pack(seqs, 20, rng)
	seen := make([]int, len(seqs))
	for _, r := range rows {
		used := 0
		for _, e := range r.examples {
			seen[e]++
			used += len(seqs[e].items)
		}
		if used != r.used || used > 20 {
			t.Fatalf("row %+v holds %d slots", r, used)
		}
	}
	if slices.ContainsFunc(seen, func(n int) bool { return n != 1 }) {
		t.Error("a sequence is not packed exactly once")
	}
	if full := float64(slots) / float64(len(rows)*20); full < 0.95 {
		t.Errorf("rows are %.0f %% full: want 95", 100*full)
	}
}

func TestBatchRows(t *testing.T) {
	for _, tc := range [][3]int{{1, 16, 4}, {4, 16, 4}, {5, 16, 8}, {16, 16, 16}, {1, 1, 1}, {3, 3, 3}, {9, 10, 9}, {10, 10, 10}} {
		if got := batchRows(tc[0], tc[1]); got != tc[2] {
			t.Errorf("%d rows of %d become %d: want %d", tc[0], tc[1], got, tc[2])
		}
	}
}

// TestSampler_isUnbiased: over many draws the weighted sum over the sample must be the sum over the catalogue, the more
// so with a target's own term put right.
func TestSampler_isUnbiased(t *testing.T) {
	const vocab, k, draws = 200, 20, 20000
	counts := make([]int, vocab)
	rng := rand.New(rand.NewPCG(1, 1))
	value := make([]float64, vocab)
	var want float64
	for i := 1; i < vocab; i++ {
		counts[i] = 10000 / (i * i)
		value[i] = math.Exp(rng.NormFloat64())
		want += value[i]
	}
	cfg := DefaultConfig()
	cfg.FullSoftmax, cfg.Negatives = 0, k
	s := newSampler(cfg, counts)
	var plain, corrected float64
	const target = 7
	for range draws {
		s.draw(rng)
		sum, seen := 0.0, map[int32]bool{}
		for i, id := range s.ids {
			if id != 0 && seen[id] {
				t.Fatalf("item %d was drawn twice", id)
			}
			seen[id] = true
			sum += float64(s.inverse[i]) * value[id]
		}
		plain += sum / draws
		exact := sum + float64(s.own(target))*value[target]
		if exact < value[target]*(1-1e-5) {
			t.Fatalf("a corrected sum of %v is less than the target's own %v", exact, value[target])
		}
		corrected += exact / draws
	}
	if math.Abs(plain-want) > 0.02*want || math.Abs(corrected-want) > 0.02*want {
		t.Errorf("means %v and, corrected, %v: want %v", plain, corrected, want)
	}
	var expected float64
	for _, c := range s.chance {
		expected += c
		if c > 1 {
			t.Errorf("a chance of %v", c)
		}
	}
	if math.Abs(expected-k) > 1e-6 {
		t.Errorf("chances add up to %v: want %d", expected, k)
	}
}

func TestSampler_exact(t *testing.T) {
	s := newSampler(DefaultConfig(), make([]int, 200))
	s.draw(rand.New(rand.NewPCG(1, 1)))
	n := 0
	for i, id := range s.ids {
		if (id == 0) != (s.inverse[i] == 0) {
			t.Errorf("place %d: item %d with weight %v", i, id, s.inverse[i])
		}
		n += min(int(id), 1)
	}
	if n != 199 || len(s.ids) != 256 || s.own(5) != 0 {
		t.Errorf("%d items in %d places, own term %v", n, len(s.ids), s.own(5))
	}
}

func TestDropoutMask_keepsTheMean(t *testing.T) {
	for _, share := range []float64{0.1, 0.25, 0.9} {
		var sum float64
		zeros := 0
		m := dropoutMask(100003, share, rand.New(rand.NewPCG(1, 1)))
		for _, v := range m {
			sum += float64(v)
			if v == 0 {
				zeros++
			}
		}
		if mean := sum / float64(len(m)); math.Abs(mean-1) > 0.03 {
			t.Errorf("share %v: mean %v", share, mean)
		}
		if got := float64(zeros) / float64(len(m)); math.Abs(got-share) > 0.01 {
			t.Errorf("share %v: %v dropped", share, got)
		}
	}
}
