package eval

import (
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestPaired_byHand(t *testing.T) {
	// Differences 1, 0, -1, 1: mean 0.25, sample variance 11/12, SE sqrt(11/12/4).
	c, err := Paired([]float64{0, 1, 1, 0}, []float64{1, 1, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	se := math.Sqrt(11.0 / 12 / 4)
	if c.N != 4 || c.Wins != 2 || c.Losses != 1 || c.Ties != 1 || !near(c.Mean, 0.25) || !near(c.SE, se) || !near(c.Z, 0.25/se) {
		t.Errorf("%+v", c)
	}
	if !near(c.SignP(), 1) { // 2 of 3: every split of 3 is at least as uneven
		t.Errorf("sign p %v", c.SignP())
	}
	if got := (Comparison{Z: 1.959963984540054}).P(); math.Abs(got-0.05) > 1e-9 {
		t.Errorf("p of z 1.96 is %v", got)
	}
}

func TestPaired_noDifferenceAndNoSpread(t *testing.T) {
	same, err := Paired([]float64{1, 0, 1}, []float64{1, 0, 1})
	if err != nil || same.Z != 0 || same.P() != 1 || same.SignP() != 1 || same.Ties != 3 {
		t.Errorf("equal models: %+v (%v)", same, err)
	}
	always, err := Paired([]float64{0, 0, 0}, []float64{1, 1, 1})
	if err != nil || !math.IsInf(always.Z, 1) || always.P() != 0 {
		t.Errorf("one better everywhere: %+v (%v)", always, err)
	}
	one, err := Paired([]float64{0}, []float64{0.5})
	if err != nil || one.SE != 0 || one.Mean != 0.5 {
		t.Errorf("one case: %+v (%v)", one, err)
	}
}

func TestPaired_refuses(t *testing.T) {
	for _, c := range []struct {
		before, after []float64
		want          string
	}{
		{nil, nil, "no cases"},
		{[]float64{1}, nil, "1 figures against 0"},
		{[]float64{1, math.NaN()}, []float64{1, 1}, "case 1"},
		{[]float64{1}, []float64{math.Inf(1)}, "case 0"},
	} {
		if _, err := Paired(c.before, c.after); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Paired(%v, %v): %v, want %q", c.before, c.after, err, c.want)
		}
	}
}

// Swapping the models turns the sign and nothing else.
func TestPaired_isAntisymmetric(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	for range 200 {
		a, b := make([]float64, 1+rng.IntN(40)), []float64(nil)
		for i := range a {
			a[i] = rng.Float64()
			b = append(b, math.Round(rng.Float64()*2)/2)
		}
		x, _ := Paired(a, b)
		y, _ := Paired(b, a)
		if !near(x.Mean, -y.Mean) || !near(x.SE, y.SE) || x.Wins != y.Losses || x.Losses != y.Wins || !near(x.P(), y.P()) {
			t.Fatalf("%+v and %+v", x, y)
		}
	}
}

// dumbMcNemar sums binomial coefficients as whole numbers.
func dumbMcNemar(wins, losses int) float64 {
	n := int64(wins + losses)
	tail := new(big.Int)
	for i := range int64(min(wins, losses)) + 1 {
		tail.Add(tail, new(big.Int).Binomial(n, i))
	}
	p, _ := new(big.Rat).SetFrac(tail.Lsh(tail, 1), new(big.Int).Lsh(big.NewInt(1), uint(n))).Float64()
	return min(1, p)
}

func TestMcNemar_equalsTheDumbOne(t *testing.T) {
	for wins := range 60 {
		for losses := range 60 {
			if got, want := McNemar(wins, losses), dumbMcNemar(wins, losses); math.Abs(got-want) > 1e-9 {
				t.Fatalf("McNemar(%d, %d) = %v, want %v", wins, losses, got, want)
			}
		}
	}
	if got := McNemar(10, 2); math.Abs(got-0.03857421875) > 1e-12 {
		t.Errorf("10 to 2: %v", got)
	}
}

func TestMcNemar_normalMeetsExact(t *testing.T) {
	exact, normal := McNemar(5100, 4900), McNemar(5101, 4900)
	if math.Abs(exact-normal) > 0.003 {
		t.Errorf("exact %v, normal %v", exact, normal)
	}
	if p := McNemar(1_000_000, 0); p != 0 {
		t.Errorf("a million to none: %v", p)
	}
}

func TestBootstrap_findsARealDifferenceOnly(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	var users []int
	var before, same, better []float64
	for u := range 300 {
		for range 1 + rng.IntN(5) {
			hit := math.Round(rng.Float64())
			users, before = append(users, u), append(before, hit)
			same = append(same, math.Round(rng.Float64()))
			better = append(better, min(1, hit+math.Round(rng.Float64()*0.7)))
		}
	}
	r, err := Bootstrap(users, before, better, 0.95, 1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r.Users != 300 || r.Difference.Low <= 0 || r.P > 0.01 || r.Gain.Low <= 0 {
		t.Errorf("better: %+v", r)
	}
	c, _ := Paired(before, better)
	if !near(r.Difference.Value, c.Mean) {
		t.Errorf("difference %v, paired %v", r.Difference.Value, c.Mean)
	}
	r, _ = Bootstrap(users, before, same, 0.95, 1000, 1)
	if r.Difference.Low > 0 || r.Difference.High < 0 || r.P < 0.05 {
		t.Errorf("no difference: %+v", r)
	}
	again, _ := Bootstrap(users, before, same, 0.95, 1000, 1)
	if !reflect.DeepEqual(r, again) {
		t.Error("one seed gave two answers")
	}
	if other, _ := Bootstrap(users, before, same, 0.95, 1000, 2); reflect.DeepEqual(r, other) {
		t.Error("two seeds gave one answer")
	}
}

// Repeating each user's cases adds no knowledge: the interval by user stays, where one by case would shrink.
func TestBootstrap_resamplesUsersNotCases(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	var users, usersTen []int
	var a, b, aTen, bTen []float64
	for u := range 100 {
		x, y := math.Round(rng.Float64()), math.Round(rng.Float64())
		users, a, b = append(users, u), append(a, x), append(b, y)
		for range 10 {
			usersTen, aTen, bTen = append(usersTen, u), append(aTen, x), append(bTen, y)
		}
	}
	one, _ := Bootstrap(users, a, b, 0.9, 500, 3)
	ten, _ := Bootstrap(usersTen, aTen, bTen, 0.9, 500, 3)
	if math.Abs(one.Difference.Low-ten.Difference.Low) > 1e-9 || math.Abs(one.Difference.High-ten.Difference.High) > 1e-9 {
		t.Errorf("one case a user %+v, ten %+v", one.Difference, ten.Difference)
	}
}

func TestBootstrap_refuses(t *testing.T) {
	users, xs := []string{"a", "b"}, []float64{1, 0}
	for _, c := range []struct {
		users   []string
		a, b    []float64
		level   float64
		samples int
		want    string
	}{
		{users[:1], xs, xs, 0.95, 100, "1 users, 2 and 2 figures"},
		{users, xs, xs, 0.95, 10, "10 samples"},
		{users, xs, xs, 1, 100, "level 1"},
		{[]string{"a", "a"}, xs, xs, 0.95, 100, "fewer than two users"},
		{users, xs, []float64{0, math.NaN()}, 0.95, 100, "case 1"},
	} {
		if _, err := Bootstrap(c.users, c.a, c.b, c.level, c.samples, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	r, err := Bootstrap(users, []float64{0, 0}, xs, 0.95, 100, 1)
	if err != nil || !math.IsNaN(r.Gain.Value) || !math.IsNaN(r.Gain.Low) {
		t.Errorf("gain over nothing: %+v (%v)", r, err)
	}
}
