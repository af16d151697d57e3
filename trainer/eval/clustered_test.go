package eval

import (
	"math"
	"math/rand/v2"
	"testing"
)

// trialWorld draws what two models score on one log: NDCG@10 by line, in baskets of about twenty lines of one user, as on a
// wholesaler's log. edge is by how much the second model's chance of a hit is above the first one's. Three quarters of what
// they answer are the same, and each user prefers one of them by chance: lines of one user are far from independent.
func trialWorld(rng *rand.Rand, lines, meanBasket int, edge float64) (users []int, before, after []float64) {
	gain := func(chance float64) float64 {
		if rng.Float64() >= chance {
			return 0
		}
		return NDCG(float64(1+rng.IntN(10)), 10)
	}
	for u := 0; len(users) < lines; u++ {
		n := 1 + int(rng.ExpFloat64()*float64(meanBasket-1))
		chance := 0.1 * rng.ExpFloat64()
		taste := 0.8 * chance * rng.NormFloat64()
		for range min(n, lines-len(users)) {
			a, b := gain(chance-taste/2), gain((chance+taste/2)*(1+edge))
			if rng.IntN(4) > 0 {
				a = gain(chance)
				if b = a; edge < 0 && rng.Float64() < -edge {
					b = 0
				}
			}
			users, before, after = append(users, u), append(before, a), append(after, b)
		}
	}
	return users, before, after
}

func TestCluster_oneCasePerUserIsPaired(t *testing.T) {
	_, before, after := trialWorld(rand.New(rand.NewPCG(1, 1)), 300, 1, 0.1)
	users := make([]int, len(before))
	for i := range users {
		users[i] = i
	}
	c, err := Cluster(users, before, after)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Paired(before, after)
	if err != nil {
		t.Fatal(err)
	}
	if !near(c.Mean, p.Mean) || math.Abs(c.SE-p.SE) > 1e-12 || c.Effective != 300 || c.Users != 300 || c.Cases != 300 {
		t.Errorf("%+v, paired %+v", c, p)
	}
}

func TestCluster_byHand(t *testing.T) {
	// User a: 2 lines, +1 and +1; user b: 2 lines, -1 and +1. Mean 0.5; rests 2-1 and 0-1; s.e. sqrt(2*2)/4.
	c, err := Cluster([]string{"a", "a", "b", "b"}, []float64{0, 0, 1, 0}, []float64{1, 1, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	if c.Mean != 0.5 || c.SE != 0.5 || c.Effective != 2 || c.Old != 0.25 || c.New != 0.75 {
		t.Errorf("%+v", c)
	}
	if p := c.PAbove(0); !near(p, 0.25) { // Student's t of 1 with one degree of freedom
		t.Errorf("p %v", p)
	}
	if p := c.PBelow(0); !near(p, 0.75) {
		t.Errorf("p %v", p)
	}
}

func TestCluster_noSpread(t *testing.T) {
	users := []int{1, 2, 3}
	for _, tc := range []struct{ after, above, below float64 }{{0, 0.5, 0.5}, {1, 0, 1}, {-1, 1, 0}} {
		c, err := Cluster(users, []float64{0, 0, 0}, []float64{tc.after, tc.after, tc.after})
		if err != nil || c.PAbove(0) != tc.above || c.PBelow(0) != tc.below {
			t.Errorf("%v: %+v, p %v and %v (%v)", tc.after, c, c.PAbove(0), c.PBelow(0), err)
		}
	}
}

func TestCluster_refuses(t *testing.T) {
	for _, err := range []error{
		second(Cluster([]int{1, 1}, []float64{0, 0}, []float64{1, 1})),
		second(Cluster([]int{1, 2}, []float64{0}, []float64{1, 1})),
		second(Cluster([]int{1, 2}, []float64{0, math.NaN()}, []float64{1, 1})),
		second(Cluster([]int(nil), nil, nil)),
	} {
		if err == nil {
			t.Error("no error")
		}
	}
}

func second(_ Clustered, err error) error { return err }

// The error rate is what it is said to be, on lines that are far from independent, at the gate's usual sample (1,000 lines
// of some fifty users) and far below it; and the lines taken one by one would break it.
func TestCluster_errorRates(t *testing.T) {
	const alpha, worlds = 0.05, 1500
	for _, size := range []struct{ lines, basket int }{{1000, 20}, {200, 20}, {1000, 1}} {
		above, below, naive := 0, 0, 0
		se := 0.0
		for w := range uint64(worlds) {
			users, before, after := trialWorld(rand.New(rand.NewPCG(w, 7)), size.lines, size.basket, 0)
			c, err := Cluster(users, before, after)
			if err != nil {
				t.Fatal(err)
			}
			p, err := Paired(before, after)
			if err != nil {
				t.Fatal(err)
			}
			above += one(c.PAbove(0) <= alpha)
			below += one(c.PBelow(0) <= alpha)
			naive += one(p.Z > 1.645)
			se += c.SE / worlds
		}
		t.Logf("%4d lines, baskets of %2d: better by chance %.3f, worse by chance %.3f, at %.2f asked for; line by line %.3f; s.e. %.4f",
			size.lines, size.basket, float64(above)/worlds, float64(below)/worlds, alpha, float64(naive)/worlds, se)
		for _, n := range []int{above, below} {
			if rate := float64(n) / worlds; rate > 0.065 || rate < 0.02 {
				t.Errorf("%d lines: error rate %.3f, want about %.2f", size.lines, rate, alpha)
			}
		}
	}
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// What Detectable says is what the test then finds.
func TestCluster_detectsWhatItSays(t *testing.T) {
	const alpha, power, worlds = 0.05, 0.8, 400
	for _, edge := range []float64{-0.1, -0.2, -0.3} {
		found, said, is := 0, 0.0, 0.0
		for w := range uint64(worlds) {
			users, before, after := trialWorld(rand.New(rand.NewPCG(w, 8)), 1000, 20, edge)
			c, err := Cluster(users, before, after)
			if err != nil {
				t.Fatal(err)
			}
			found += one(c.PBelow(0) <= alpha)
			said += c.Detectable(alpha, power) / worlds
			is -= c.Mean / worlds
		}
		share := float64(found) / worlds
		t.Logf("1000 lines, %.0f %% fewer hits: a loss of %.5f is found in %.0f %% of the worlds; %.5f would be in %.0f %%", -100*edge, is, 100*share, said, 100*power)
		if is > 1.15*said && share < power || is < 0.85*said && share > power {
			t.Error("the power is not what was said")
		}
	}
}
