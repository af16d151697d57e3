package eval

import (
	"math/rand/v2"
	"testing"
)

// watchWorld reports after how many lines of a watch one or the other test says that the model is worse, 0 for never.
func watchWorld(t *testing.T, seed uint64, s Sequential, basket int, edge float64) (sequential, naive int) {
	users, before, after := trialWorld(rand.New(rand.NewPCG(seed, 9)), s.Horizon, basket, edge)
	for n := 50; n <= s.Horizon; n += 100 {
		c, err := Cluster(users[:n], before[:n], after[:n])
		if err != nil || c.Users < 5 {
			continue
		}
		if sequential == 0 && s.Worse(c) {
			sequential = n
		}
		if naive == 0 && c.PBelow(0) <= s.Alpha {
			naive = n
		}
	}
	return sequential, naive
}

// Over twenty looks together a model that is no worse is called worse no more often than was asked for, while a test that
// is right for one look is wrong many times as often. One that is really worse is found, the sooner the worse it is.
func TestSequential_errorRateOverAllLooks(t *testing.T) {
	const worlds = 500
	s := Sequential{Alpha: 0.05, Horizon: 2000}
	for _, basket := range []int{20, 1} {
		wrong, naive := 0, 0
		for w := range uint64(worlds) {
			a, b := watchWorld(t, w, s, basket, 0)
			wrong, naive = wrong+one(a > 0), naive+one(b > 0)
		}
		t.Logf("baskets of %2d: wrong %.3f, at %.2f asked for; looking again with a test for one look %.3f", basket, float64(wrong)/worlds, s.Alpha, float64(naive)/worlds)
		if rate := float64(wrong) / worlds; rate > s.Alpha {
			t.Errorf("baskets of %d: error rate %.3f, want at most about %.2f", basket, rate, s.Alpha)
		}
		if naive <= 2*wrong {
			t.Errorf("a test for one look is wrong %d times, the sequential one %d: the test shows nothing", naive, wrong)
		}
	}
	for _, edge := range []float64{-0.3, -0.6, -0.9} {
		found, lines := 0, 0
		for w := range uint64(100) {
			if n, _ := watchWorld(t, w, s, 20, edge); n > 0 {
				found++
				lines += n
			}
		}
		t.Logf("%.0f %% fewer hits: found in %.0f %% of the worlds, after %d lines on average", -100*edge, float64(found), lines/max(1, found))
		if edge == -0.9 && found < 95 {
			t.Errorf("a model with a tenth of the hits was found in %d of 100 worlds", found)
		}
	}
}

func TestSequential_boundIsTightestAtHalf(t *testing.T) {
	s := Sequential{Alpha: 0.01, Horizon: 2000}
	for n := 50; n < 2000; n += 50 {
		if s.Bound(n) < s.Bound(1000)-0.02 || s.Bound(n) < 2.33 {
			t.Errorf("%d lines: bound %.3f, at half %.3f", n, s.Bound(n), s.Bound(1000))
		}
	}
	if (Sequential{Alpha: 0.001, Horizon: 2000}).Bound(1000) <= s.Bound(1000) {
		t.Error("a smaller error rate has a smaller bound")
	}
}
