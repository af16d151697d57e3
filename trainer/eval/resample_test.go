package eval

import (
	"math"
	"math/rand/v2"
	"testing"
)

// planted makes cases of users whose second figure is the first plus a known lift and noise.
func planted(users, each int, lift float64, seed uint64) (who []int, figures [][]float64) {
	rng := rand.New(rand.NewPCG(seed, 3))
	figures = make([][]float64, 2)
	for u := range users {
		own := rng.Float64()
		for range each {
			who = append(who, u)
			figures[0] = append(figures[0], own+0.1*rng.NormFloat64())
			figures[1] = append(figures[1], own+lift+0.1*rng.NormFloat64())
		}
	}
	return who, figures
}

func difference(m []float64) float64 { return m[1] - m[0] }

func TestResample_findsAPlantedLift(t *testing.T) {
	who, figures := planted(200, 5, 0.05, 1)
	r, err := Resample(who, figures, 500, 2)
	if err != nil {
		t.Fatal(err)
	}
	i := r.Interval(0.95, difference)
	if r.Users != 200 || !(i.Low > 0.03 && i.Low < 0.05 && i.High > 0.05 && i.High < 0.07) {
		t.Errorf("%d users, interval %+v", r.Users, i)
	}
	if se := r.SE(difference); math.Abs(se-0.1*math.Sqrt(2.0/1000)) > 0.001 { // the users' own level cancels
		t.Errorf("standard error %v", se)
	}
}

// The lift of nothing is within its interval about as often as the level says.
func TestResample_levelHolds(t *testing.T) {
	in := 0
	for seed := range uint64(100) {
		who, figures := planted(60, 2, 0, seed)
		r, err := Resample(who, figures, 200, seed)
		if err != nil {
			t.Fatal(err)
		}
		if i := r.Interval(0.9, difference); i.Low <= 0 && i.High >= 0 {
			in++
		}
	}
	if in < 80 || in > 97 {
		t.Errorf("0 lies in %d of 100 intervals of level 0.9", in)
	}
}

// Bootstrap and Resample draw alike, so they agree to the last bits of a sum.
func TestResample_agreesWithBootstrap(t *testing.T) {
	who, figures := planted(50, 3, 0.02, 4)
	b, err := Bootstrap(who, figures[0], figures[1], 0.95, 300, 9)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Resample(who, figures, 300, 9)
	if err != nil {
		t.Fatal(err)
	}
	got := r.Interval(0.95, difference)
	for _, d := range []float64{got.Value - b.Difference.Value, got.Low - b.Difference.Low, got.High - b.Difference.High} {
		if math.Abs(d) > 1e-12 {
			t.Errorf("%+v against %+v", got, b.Difference)
		}
	}
}

func TestResample_refuses(t *testing.T) {
	who, figures := planted(5, 1, 0, 1)
	for name, call := range map[string]func() error{
		"few draws": func() error { _, err := Resample(who, figures, 99, 1); return err },
		"one user":  func() error { _, err := Resample([]int{1}, [][]float64{{1}}, 100, 1); return err },
		"ragged":    func() error { _, err := Resample(who, [][]float64{{1}}, 100, 1); return err },
		"NaN":       func() error { _, err := Resample([]int{1, 2}, [][]float64{{1, math.NaN()}}, 100, 1); return err },
	} {
		if call() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
