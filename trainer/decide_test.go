package trainer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestDecide(t *testing.T) {
	ranks := func(r float64, n int) answers {
		return answers{ranks: slices.Repeat([]float64{r}, n), lists: spread(n, 50)}
	}
	names := func(n, each int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprint("u", i/each)
		}
		return out
	}
	cfg := DefaultConfig()
	cfg.GateMinimum = 10
	for _, tc := range []struct {
		name          string
		live, new     float64
		lines, each   int
		fresh, earned bool // passes as newer counts, as a network
	}{
		{"better", 5, 2, 20, 1, true, true},
		{"equal", 5, 5, 20, 1, true, false},
		{"worse", 2, 5, 20, 1, false, false},
		{"too few lines", 5, 1, 9, 1, false, false},
		{"too few users", 5, 1, 20, 5, false, false},
		{"one user", 5, 1, 20, 20, false, false},
	} {
		for claim, want := range map[claim]bool{noWorse: tc.fresh, better: tc.earned} {
			got := decide(cfg, claim, names(tc.lines, tc.each), ranks(tc.live, tc.lines), ranks(tc.new, tc.lines))
			if got.Promote != want || got.Reason == "" {
				t.Errorf("%s, claim %d: %+v", tc.name, claim, got)
			}
		}
	}
	broken := ranks(1, 20)
	broken.lists.Failed, broken.lists.Fault = 20, "score NaN"
	if got := decide(cfg, noWorse, names(20, 1), ranks(5, 20), broken); got.Promote || !strings.Contains(got.Reason, "score NaN") {
		t.Errorf("a better model whose lists fail: %+v", got)
	}
	if got := decide(cfg, noWorse, names(20, 1), answers{ranks: ranks(5, 20).ranks, lists: spread(20, 200)}, answers{ranks: ranks(1, 20).ranks, lists: spread(20, 10)}); got.Promote {
		t.Errorf("a better model that collapsed to ten items: %+v", got)
	}
}

// gateWorld draws the ranks of two models on lines of users with baskets: each finds a share of what the other finds, and
// the second one loses a share of its hits.
func gateWorld(rng *rand.Rand, lines, basket int, loss float64) (users []string, live, candidate answers) {
	rank := func(chance float64) float64 {
		if rng.Float64() < chance {
			return float64(1 + rng.IntN(10))
		}
		return math.Inf(1)
	}
	for u := 0; len(users) < lines; u++ {
		chance := 0.1 * rng.ExpFloat64()
		taste := 0.8 * chance * rng.NormFloat64()
		for range min(lines-len(users), 1+int(rng.ExpFloat64()*float64(basket-1))) {
			a, b := rank(chance-taste/2), rank(chance+taste/2)
			if rng.IntN(4) > 0 {
				b = a
			}
			if rng.Float64() < loss {
				b = math.Inf(1)
			}
			users = append(users, fmt.Sprint(u))
			live.ranks, candidate.ranks = append(live.ranks, a), append(candidate.ranks, b)
		}
	}
	return users, live, candidate
}

// Rounds in which nothing has changed but luck: newer counts that are as good are refused, and a network that is no better
// passes, as often as gate_alpha says and no more. Beside it, how much worse a model has to be to be refused.
func TestDecide_errorRates(t *testing.T) {
	slow(t)
	cfg := DefaultConfig()
	even := spread(50, 200)
	for _, tc := range []struct {
		lines, basket int
		loss          float64
	}{{1000, 20, 0}, {250, 20, 0}, {1000, 1, 0}, {1000, 20, 0.1}, {1000, 20, 0.2}, {1000, 20, 0.4}, {1000, 20, 0.8}} {
		refused, passed, worlds := 0, 0, 800
		if tc.loss > 0 {
			worlds = 200 // far from the bound
		}
		for w := range uint64(worlds) {
			users, live, candidate := gateWorld(rand.New(rand.NewPCG(w, 21)), tc.lines, tc.basket, tc.loss)
			live.lists, candidate.lists = even, even
			if !decide(cfg, noWorse, users, live, candidate).Promote {
				refused++
			}
			if decide(cfg, better, users, live, candidate).Promote {
				passed++
			}
		}
		r, p := float64(refused)/float64(worlds), float64(passed)/float64(worlds)
		t.Logf("%4d lines, baskets of %2d, %2.0f %% of the hits lost: newer counts refused %.3f, network passed %.3f", tc.lines, tc.basket, 100*tc.loss, r, p)
		if tc.loss == 0 && (r > cfg.GateAlpha+0.02 || p > cfg.GateAlpha+0.02 || r < 0.02 || p < 0.02) {
			t.Errorf("error rates %.3f and %.3f, want about %.2f", r, p, cfg.GateAlpha)
		}
		if tc.loss > 0 && p > cfg.GateAlpha {
			t.Errorf("a network that is worse passes in a share of %.3f", p)
		}
		if tc.loss >= 0.4 && r < 0.95 {
			t.Errorf("counts that lose %.0f %% of the hits are refused in a share of only %.3f", 100*tc.loss, r)
		}
	}
}
