package eval

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func near(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-12*max(1, math.Abs(a)) || math.IsNaN(a) && math.IsNaN(b)
}

func TestRank_table(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		scores []float64
		target int
		want   float64
	}{
		{[]float64{3, 2, 1}, 0, 1},
		{[]float64{3, 2, 1}, 2, 3},
		{[]float64{1, 1, 1}, 0, 2},
		{[]float64{1, 1, 1, 1}, 3, 2.5},
		{[]float64{5, 2, 2, 0}, 1, 2.5},
		{[]float64{0}, 0, 1},
		{[]float64{nan, 1}, 0, inf},
		{[]float64{nan, 1}, 1, 1},
		{[]float64{-inf, inf}, 0, 2},
		{[]float64{1}, 1, inf},
		{[]float64{1}, -1, inf},
		{nil, 0, inf},
	} {
		if got := Rank(c.scores, c.target); got != c.want {
			t.Errorf("Rank(%v, %d) = %v, want %v", c.scores, c.target, got, c.want)
		}
	}
}

// dumbRank sorts and averages the places of all equal scores.
func dumbRank(scores []float32, target int) float64 {
	sorted := slices.Clone(scores)
	slices.SortFunc(sorted, func(a, b float32) int {
		if a > b {
			return -1
		} else if a < b {
			return 1
		}
		return 0
	})
	sum, n := 0, 0
	for i, s := range sorted {
		if s == scores[target] {
			sum, n = sum+i+1, n+1
		}
	}
	return float64(sum) / float64(n)
}

func TestRank_equalsTheDumbOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		scores := make([]float32, 1+rng.IntN(30))
		for i := range scores {
			scores[i] = float32(rng.IntN(6)) // many ties
		}
		target := rng.IntN(len(scores))
		if got, want := Rank(scores, target), dumbRank(scores, target); got != want {
			t.Fatalf("Rank(%v, %d) = %v, want %v", scores, target, got, want)
		}
	}
}

// The ranks of all targets always sum to those of a list without ties, and do not depend on the order of the items.
func TestRank_tiesFavourNobody(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	for range 500 {
		scores := make([]float64, 1+rng.IntN(20))
		for i := range scores {
			scores[i] = float64(rng.IntN(4))
		}
		sum := 0.0
		for i := range scores {
			sum += Rank(scores, i)
		}
		if n := float64(len(scores)); sum != n*(n+1)/2 {
			t.Fatalf("ranks of %v sum to %v", scores, sum)
		}
		before := Rank(scores, 0)
		tail := scores[1:]
		rng.Shuffle(len(tail), func(i, j int) { tail[i], tail[j] = tail[j], tail[i] })
		if after := Rank(scores, 0); after != before {
			t.Fatalf("rank %v became %v by another order of %v", before, after, scores)
		}
	}
}

func TestRankIn(t *testing.T) {
	list := []string{"a", "b", "c"}
	for target, want := range map[string]float64{"a": 1, "c": 3, "z": math.Inf(1)} {
		if got := RankIn(list, target); got != want {
			t.Errorf("RankIn(%q) = %v, want %v", target, got, want)
		}
	}
}

func TestMetrics_byRank(t *testing.T) {
	for _, c := range []struct{ rank, hr, ndcg, mrr float64 }{
		{1, 1, 1, 1},
		{1.5, 1, 1 / math.Log2(2.5), 1 / 1.5},
		{3, 1, 0.5, 1.0 / 3},
		{10, 1, 1 / math.Log2(11), 0.1},
		{10.5, 0, 0, 0},
		{11, 0, 0, 0},
		{math.Inf(1), 0, 0, 0},
		{math.NaN(), 0, 0, 0},
		{0, 0, 0, 0},
		{-3, 0, 0, 0},
	} {
		if hr, ndcg, mrr := HR(c.rank, 10), NDCG(c.rank, 10), MRR(c.rank, 10); hr != c.hr || !near(ndcg, c.ndcg) || !near(mrr, c.mrr) {
			t.Errorf("rank %v: %v %v %v, want %v %v %v", c.rank, hr, ndcg, mrr, c.hr, c.ndcg, c.mrr)
		}
	}
}

// A tally, its merged parts, a restored one and a rolling window that holds everything all equal the plain means.
func TestTally_equalsTheMeans(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for range 200 {
		n := rng.IntN(50)
		whole, left, right := NewTally(10), NewTally(10), NewTally(10)
		rolling := NewRolling(10, max(1, n))
		var hr, ndcg, mrr float64
		for i := range n {
			rank := 1 + float64(rng.IntN(40))/2
			whole.Add(rank)
			rolling.Add(rank)
			if i%3 == 0 {
				left.Add(rank)
			} else {
				right.Add(rank)
			}
			hr, ndcg, mrr = hr+HR(rank, 10)/float64(n), ndcg+NDCG(rank, 10)/float64(n), mrr+MRR(rank, 10)/float64(n)
		}
		if err := left.Merge(right); err != nil {
			t.Fatal(err)
		}
		for name, m := range map[string]Metrics{
			"whole": whole.Metrics(), "merged": left.Metrics(), "rolling": rolling.Metrics(),
			"restored": TallyFrom(10, whole.Metrics()).Metrics(),
		} {
			if m.Count != n || !near(m.HR, hr) || !near(m.NDCG, ndcg) || !near(m.MRR, mrr) {
				t.Fatalf("%s of %d ranks: %+v, want %v %v %v", name, n, m, hr, ndcg, mrr)
			}
		}
		if whole.Count() != n || whole.K() != 10 {
			t.Fatalf("count %d k %d", whole.Count(), whole.K())
		}
	}
	if err := NewTally(10).Merge(NewTally(5)); err == nil {
		t.Error("tallies at different k were merged")
	}
}

func TestRolling_equalsTheNewest(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	for _, size := range []int{0, 1, 2, 7, 50} {
		r := NewRolling(10, size)
		size = max(1, size)
		var all []float64
		for range 120 {
			rank := float64(1 + rng.IntN(20))
			all = append(all, rank)
			r.Add(rank)
			newest := all[max(0, len(all)-size):]
			want := NewTally(10)
			for _, x := range newest {
				want.Add(x)
			}
			if r.Metrics() != want.Metrics() || !slices.Equal(r.Ranks(), newest) || r.Count() != len(newest) || r.Full() != (len(all) >= size) {
				t.Fatalf("size %d after %d ranks: %+v %v, want %+v %v", size, len(all), r.Metrics(), r.Ranks(), want.Metrics(), newest)
			}
		}
	}
}
