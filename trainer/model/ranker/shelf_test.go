package ranker

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestLog1p_isTheLogarithm(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		x := math.Exp2(rng.Float64()*100 - 60)
		want := math.Log1p(x)
		if got := float64(log1p(x)); math.Abs(got-want) > 1e-7*want {
			t.Fatalf("log1p(%g) = %g, want %g", x, got, want)
		}
	}
	if log1p(0) != 0 || !math.IsInf(float64(log1p(math.Inf(1))), 1) || log1p(math.NaN()) == log1p(math.NaN()) {
		t.Error("zero, infinity or no number is another")
	}
	for _, x := range []float64{1, 3, 1<<20 - 1, math.Sqrt2 - 1, 1e-30} {
		if got, want := log1p(x), math.Log1p(x); math.Abs(float64(got)-want) > 1e-7*want {
			t.Errorf("log1p(%g) = %g, want %g", x, got, want)
		}
	}
}

// What is sorted beforehand chooses what the scan over everything chooses, whatever the filter and however much is wanted.
func TestBestInOrder_isBest(t *testing.T) {
	w := newWorld(3, 30, 400)
	w.run(3000)
	b := w.bundle(t, false)
	s := new(scratch)
	n := b.Vocab.Len()
	for round := range 60 {
		k, mod := 1+w.rng.IntN(n+20), 1+w.rng.IntN(5)
		sel := selection{n: k, allow: func(id string) bool { return (len(id)+int(id[len(id)-1]))%mod == 0 }}
		scores := [][]float64{b.Counts.PopularityOrder(), b.Counts.TrendOrder(), b.Counts.FreshOrder()}[round%3]
		sorted := order(scores, n, nil)
		if round%2 == 1 {
			sorted = sorted[:w.rng.IntN(len(sorted))]
		}
		choose := func(f func()) []int32 {
			s.nextRound(n)
			s.cands, s.owner = s.cands[:0], s.owner[:0]
			f()
			return slices.Sorted(slices.Values(s.cands))
		}
		want := choose(func() { best(b, s, sel, k, scores, n) })
		got := choose(func() { bestInOrder(b, s, sel, k, sorted, scores) })
		if !slices.Equal(got, want) {
			t.Fatalf("round %d, %d of %d: %v, want %v", round, k, n, got, want)
		}
	}
}
