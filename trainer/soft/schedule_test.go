package soft

import (
	"math"
	"strings"
	"testing"
)

// The weights the paper's four alphas give at d/d_0 = 0.9, computed by hand: exp(-0.1*alpha).
func TestAdaptive_paperTable(t *testing.T) {
	for _, c := range []struct{ alpha, ratio, want, tolerance float64 }{
		{0.1, 0.9, 0.99, 0.0005},
		{1, 0.9, 0.90, 0.005},
		{10, 0.9, 0.37, 0.005},
		{100, 0.9, 0.00005, 0.000005},
		{10, 1, 1, 0},
		{10, 1.5, 1, 0},
		{1, 0, math.Exp(-1), 1e-15},
	} {
		for _, start := range []float64{1, 1.084, 1e-300, 1e300} {
			got, err := Adaptive{Alpha: c.alpha}.Lambda(Signals{Epoch: 3, Epochs: 7, Distance: c.ratio * start, StartDistance: start})
			if err != nil || math.Abs(got-c.want) > c.tolerance+1e-12 {
				t.Errorf("alpha %v, d/d_0 %v, d_0 %v: lambda %v (%v), want %v", c.alpha, c.ratio, start, got, err, c.want)
			}
		}
	}
}

func TestSchedules_byEpoch(t *testing.T) {
	for _, c := range []struct {
		name     string
		schedule Schedule
		want     []float64 // epochs 0 to 4 of 4
	}{
		{"linear", Linear{}, []float64{1, 0.75, 0.5, 0.25, 0}},
		{"reversed", Reversed{}, []float64{0, 0.25, 0.5, 0.75, 1}},
		{"constant", Constant{Weight: 0.5}, []float64{0.5, 0.5, 0.5, 0.5, 0.5}},
		// c_0 = 0.6: c^2 = t/4*0.64 + 0.36 = 0.36, 0.52, 0.68, 0.84, 1
		{"competence", Competence{Start: 0.6}, []float64{0.4, 1 - math.Sqrt(0.52), 1 - math.Sqrt(0.68), 1 - math.Sqrt(0.84), 0}},
		{"competence from 0", Competence{}, []float64{1, 0.5, 1 - math.Sqrt(0.5), 1 - math.Sqrt(0.75), 0}},
	} {
		for e, want := range c.want {
			got, err := c.schedule.Lambda(Signals{Epoch: e, Epochs: 4})
			if err != nil || math.Abs(got-want) > 1e-12 {
				t.Errorf("%s epoch %d: lambda %v (%v), want %v", c.name, e, got, err, want)
			}
		}
	}
}

func TestSchedules_firstEpochSeesEasyTargetsAlone(t *testing.T) {
	s := Signals{Epochs: 7, Distance: 1.2, StartDistance: 1.2}
	for _, sched := range []Schedule{Adaptive{Alpha: 10}, LossRatio{Alpha: 10}, Linear{}} {
		if got, err := sched.Lambda(s); err != nil || got != 1 {
			t.Errorf("%T: lambda_0 %v (%v), want 1", sched, got, err)
		}
	}
}

// A start whose probed answers are all right leaves no ratio: lambda_0 is 1 as ever, then D counts alone until an answer goes wrong.
func TestAdaptive_startDistanceZero(t *testing.T) {
	for _, c := range []struct {
		epoch   int
		d, want float64
	}{{0, 0, 1}, {1, 0, 0}, {2, 1e-300, 1}, {3, 0.5, 1}} {
		got, err := Adaptive{Alpha: 10}.Lambda(Signals{Epoch: c.epoch, Epochs: 7, Distance: c.d})
		if err != nil || got != c.want {
			t.Errorf("epoch %d, distance %v: lambda %v (%v), want %v", c.epoch, c.d, got, err, c.want)
		}
	}
}

func TestLossRatio_followsTheLoss(t *testing.T) {
	// The prototype's figures: loss ratio 0.95 and 0.89 at alpha 10 gave 0.61 and 0.33.
	for _, c := range []struct{ ratio, want float64 }{{0.95, math.Exp(-0.5)}, {0.89, math.Exp(-1.1)}, {1.2, 1}} {
		got, err := LossRatio{Alpha: 10}.Lambda(Signals{Epoch: 1, Epochs: 7, Loss: 9.3 * c.ratio, StartLoss: 9.3})
		if err != nil || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("l/l_0 %v: lambda %v (%v), want %v", c.ratio, got, err, c.want)
		}
	}
}

func TestCalibrateAlpha_reachesTheWantedWeight(t *testing.T) {
	alpha, ok := CalibrateAlpha(0.2, 0.8, 1)
	if !ok || math.Abs(alpha-math.Log(5)/0.2) > 1e-12 {
		t.Fatalf("alpha %v %v, want ln(5)/0.2", alpha, ok)
	}
	for _, easy := range []float64{0.01, 0.2, 0.5, 0.99} {
		for _, teacher := range []float64{0, 0.3, 0.9, 1.0999} {
			alpha, ok := CalibrateAlpha(easy, teacher, 1.1)
			if !ok {
				t.Fatalf("easy %v teacher %v: not calibrated", easy, teacher)
			}
			got, err := Adaptive{Alpha: alpha}.Lambda(Signals{Epoch: 1, Epochs: 7, Distance: teacher, StartDistance: 1.1})
			if err != nil || math.Abs(got-easy) > 1e-9 {
				t.Errorf("easy %v teacher %v: lambda %v (%v)", easy, teacher, got, err)
			}
		}
	}
	for _, c := range [][3]float64{{0.2, 1, 1}, {0.2, 1.1, 1}, {0.2, 0, 0}, {0, 0.5, 1}, {1, 0.5, 1}, {0.2, math.NaN(), 1}, {0.2, 0.5, math.NaN()}, {0.2, 1, math.Inf(1)}, {0.2, -1, 1}} {
		if alpha, ok := CalibrateAlpha(c[0], c[1], c[2]); ok {
			t.Errorf("CalibrateAlpha(%v) = %v, want none", c, alpha)
		}
	}
}

func TestSchedules_badSignalsNameTheValue(t *testing.T) {
	for _, c := range []struct {
		schedule Schedule
		signals  Signals
		want     string
	}{
		{Adaptive{1}, Signals{Epochs: 2, StartDistance: math.NaN()}, "distance NaN"},
		{Adaptive{1}, Signals{Epoch: 1, Epochs: 2, Distance: math.NaN(), StartDistance: 1}, "distance NaN"},
		{Adaptive{1}, Signals{Epoch: 1, Epochs: 2, Distance: 1, StartDistance: math.Inf(1)}, "start distance +Inf"},
		{Adaptive{1}, Signals{Epoch: 1, Epochs: 2, Distance: -0.5, StartDistance: 1}, "distance -0.5"},
		{Adaptive{1}, Signals{Epochs: 2, StartDistance: math.Inf(1)}, "distance +Inf"},
		{Adaptive{1}, Signals{Epoch: 1, Epochs: 2, Distance: math.Inf(1)}, "distance +Inf"},
		{LossRatio{1}, Signals{Epoch: 1, Epochs: 2, Loss: 1}, "start real-target loss 0"},
		{LossRatio{1}, Signals{Epoch: 1, Epochs: 2}, "start real-target loss 0"},
		{LossRatio{1}, Signals{Epoch: 1, Epochs: 2, Loss: math.Inf(1), StartLoss: 1}, "real-target loss +Inf"},
		{Linear{}, Signals{Epoch: 3, Epochs: 2}, "epoch 3 of 2"},
		{Competence{}, Signals{}, "epoch 0 of 0"},
	} {
		got, err := c.schedule.Lambda(c.signals)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T %+v: %v, %v; want an error with %q", c.schedule, c.signals, got, err, c.want)
		}
	}
}

// Whatever the signals, a schedule answers a weight in [0, 1] or an error.
func FuzzSchedules_lambdaIsAWeight(f *testing.F) {
	f.Add(1, 7, 0.9, 1.0, 10.0, 9.0, 9.3)
	f.Add(0, 1, 0.0, 0.0, 1e308, 0.0, 0.0)
	f.Add(3, 7, 1e308, 1e-308, 1e308, math.Inf(1), math.NaN())
	f.Fuzz(func(t *testing.T, e, epochs int, d, d0, alpha, l, l0 float64) {
		if !(alpha > 0) || math.IsInf(alpha, 1) {
			alpha = 1
		}
		s := Signals{Epoch: e, Epochs: epochs, Distance: d, StartDistance: d0, Loss: l, StartLoss: l0}
		for _, sched := range []Schedule{Adaptive{alpha}, LossRatio{alpha}, Linear{}, Reversed{}, Competence{0.01}, Constant{0.5}} {
			if lambda, err := sched.Lambda(s); err == nil && !(lambda >= 0 && lambda <= 1) {
				t.Errorf("%T %+v: lambda %v", sched, s, lambda)
			}
		}
	})
}
