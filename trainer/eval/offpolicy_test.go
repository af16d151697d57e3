package eval

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestWilson(t *testing.T) {
	for _, c := range []struct {
		hits, n   int64
		low, high float64
	}{{0, 10, 0, 0.2775}, {10, 10, 0.7225, 1}, {5, 10, 0.2366, 0.7634}, {81, 263, 0.2553, 0.3662}, {0, 0, 0, 1}} { // Newcombe 1998, table II
		got := Wilson(c.hits, c.n)
		if math.Abs(got.Low-c.low) > 5e-4 || math.Abs(got.High-c.high) > 5e-4 {
			t.Errorf("%d of %d: %+v, want %g to %g", c.hits, c.n, got, c.low, c.high)
		}
	}
}

// world draws one log: each place shows one of 5 items with the odds of its context; an item's reward has a probability of its own.
// wanted is the item that the other policy has in a context; truth is what it would bring.
func world(r *rand.Rand, users, each int) (names []int, lists [][]Place, truth float64) {
	const items = 5
	odds := [][]float64{{0.5, 0.2, 0.1, 0.1, 0.1}, {0.1, 0.1, 0.1, 0.1, 0.6}, {0.2, 0.2, 0.2, 0.2, 0.2}}
	reward := [][]float64{{0.1, 0.3, 0.2, 0.05, 0.1}, {0.2, 0.1, 0.4, 0.1, 0.05}, {0.05, 0.1, 0.1, 0.3, 0.2}}
	wanted := []int{1, 2, 3}
	for c, w := range wanted {
		truth += reward[c][w] / float64(len(odds))
	}
	for u := range users {
		for range each {
			var list []Place
			for range 3 {
				c := r.IntN(len(odds))
				point, item := r.Float64(), items-1
				for i, p := range odds[c] {
					if point -= p; point < 0 {
						item = i
						break
					}
				}
				p := Place{}
				if r.Float64() < reward[c][item] {
					p.Reward = 1
				}
				if item == wanted[c] {
					p.Weight = 1 / odds[c][item]
				}
				list = append(list, p)
			}
			names, lists = append(names, u), append(lists, list)
		}
	}
	return names, lists, truth
}

// estimate adds the lists, each of the user at its place, and estimates.
func estimate(users []int, lists [][]Place) (OffPolicy, error) {
	var o OffPolicySums[int]
	for i, list := range lists {
		o.Add(users[i], list)
	}
	return o.Estimate()
}

// Over many logs of one world the 95 % intervals cover the truth about that often, and neither estimate leans to one side.
func TestOffPolicy_coversTheTruth(t *testing.T) {
	const runs = 600
	var covers [2]float64
	var ips, snips, logged, truth float64
	for seed := range uint64(runs) {
		users, lists, v := world(rand.New(rand.NewPCG(seed, 3)), 60, 4)
		e, err := estimate(users, lists)
		if err != nil {
			t.Fatal(err)
		}
		truth = v
		ips, snips, logged = ips+e.IPS.Value, snips+e.SNIPS.Value, logged+e.Logged.Value
		for i, in := range []Interval{e.IPS, e.SNIPS} {
			if in.Low <= truth && truth <= in.High {
				covers[i]++
			}
		}
		if e.MeanWeight.Low > 1.2 || e.MeanWeight.High < 0.8 {
			t.Errorf("mean weight %+v where everything could be drawn", e.MeanWeight)
		}
	}
	for i, name := range []string{"IPS", "SNIPS"} { // 95 %, give or take four standard errors and 60 users
		if share := covers[i] / runs; share < 0.91 || share > 0.985 {
			t.Errorf("the interval of %s covers the truth in %.3f of the runs", name, share)
		}
	}
	// One estimate has a standard error of about 0.04 here, so the mean of 600 one of below 0.002.
	if math.Abs(ips/runs-truth) > 0.007 || math.Abs(snips/runs-truth) > 0.007 {
		t.Errorf("mean of the estimates %.4f and %.4f, the truth is %.4f", ips/runs, snips/runs, truth)
	}
	if math.Abs(logged/runs-truth) < 0.05 {
		t.Errorf("the logging policy brings %.4f: the world tells the two apart no more", logged/runs)
	}
}

// An item that could not be drawn shows in the mean weight.
func TestOffPolicy_missingSupportShows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var users []int
	var lists [][]Place
	for i := range 2000 {
		p := Place{}
		if i%2 == 0 && r.Float64() < 0.5 { // in the other half of the contexts the wanted item never appears
			p = Place{Weight: 2, Reward: 1}
		}
		users, lists = append(users, i), append(lists, []Place{p})
	}
	e, err := estimate(users, lists)
	if err != nil || e.MeanWeight.High > 0.7 || e.MeanWeight.Low < 0.3 {
		t.Errorf("%+v %v", e.MeanWeight, err)
	}
	if want := float64(e.Matched); math.Abs(e.Effective-want) > 1e-6 || e.MaxWeight != 2 {
		t.Errorf("effective %g, want %g; greatest weight %g", e.Effective, want, e.MaxWeight)
	}
}

// Few users who all do the same are no certainty, and no interval goes below what can be.
func TestOffPolicy_sameRewardsAreNoCertainty(t *testing.T) {
	estimateOf := func(n int, place func(user, i int) Place) OffPolicy {
		var users []int
		var lists [][]Place
		for u := range n {
			users = append(users, u)
			lists = append(lists, []Place{place(u, 0), place(u, 1)})
		}
		e, err := estimate(users, lists)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, n := range []int{2, 10, 40} {
		none := estimateOf(n, func(_, i int) Place { return Place{Weight: float64(2 * i)} })
		all := estimateOf(n, func(_, i int) Place { return Place{Weight: float64(2 * i), Reward: 1} })
		for name, i := range map[string]Interval{"IPS": none.IPS, "SNIPS": none.SNIPS, "logged": none.Logged} {
			if want := Wilson(0, int64(n)); i != want {
				t.Errorf("%d users, no reward: %s %+v, want %+v", n, name, i, want)
			}
		}
		for name, i := range map[string]Interval{"SNIPS": all.SNIPS, "logged": all.Logged} {
			if want := Wilson(int64(n), int64(n)); i != want {
				t.Errorf("%d users, rewards alone: %s %+v, want %+v", n, name, i, want)
			}
		}
	}
	// Ten of the users were shown what the other policy wants: that all 400 brought nothing says little about it.
	few := estimateOf(400, func(user, i int) Place {
		if user < 10 && i == 0 {
			return Place{Weight: 2}
		}
		return Place{}
	})
	if few.IPS.High < 0.2 || few.Logged.High > 0.02 {
		t.Errorf("10 of 400 users: IPS %+v, logged %+v", few.IPS, few.Logged)
	}
	one := estimateOf(40, func(user, i int) Place {
		p := Place{Weight: 2}
		if user == 0 && i == 0 {
			p.Reward = 1
		}
		return p
	})
	for name, i := range map[string]Interval{"IPS": one.IPS, "SNIPS": one.SNIPS, "logged": one.Logged} {
		if i.Low != 0 || i.High <= i.Value {
			t.Errorf("one reward: %s %+v", name, i)
		}
	}
	if loss := estimateOf(40, func(user, i int) Place { return Place{Weight: 2, Reward: float64(user%3 - 1)} }); loss.Logged.Low >= 0 {
		t.Errorf("rewards below 0: %+v", loss.Logged)
	}
}

func TestOffPolicy_faults(t *testing.T) {
	one := [][]Place{{{Weight: 1}}, {{Weight: 1}}}
	for name, f := range map[string]func() error{
		"one user": func() error { _, err := estimate([]int{1, 1}, one); return err },
		"no match": func() error { _, err := estimate([]int{1, 2}, [][]Place{{{}}, {{}}}); return err },
		"bad weight": func() error {
			_, err := estimate([]int{1, 2}, [][]Place{{{Weight: math.NaN()}}, {{Weight: 1}}})
			return err
		},
	} {
		if f() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
