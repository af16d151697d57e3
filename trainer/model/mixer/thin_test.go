package mixer

import (
	"math"
	"reflect"
	"testing"
)

// wide makes cases with many candidates.
func wide(n int) []Case {
	out := task(4, n)
	for i, c := range out {
		for range 40 {
			c.Items = append(c.Items, out[i].Items...)
			c.Targets = append(c.Targets, make([]float32, len(out[i].Targets))...)
		}
		out[i] = c
	}
	return out
}

func TestThin_keepsTargetsAndTheExpectedLoss(t *testing.T) {
	c := wide(1)[0]
	m := begin(linear(t, 1, 0.3, -1), Config{}, 1, func(int) Case { return c }, nil)
	l := newLane(m.w.shape)
	whole, mean := l.loss(&m, c, 1, false), 0.0
	const draws = 200
	for seed := range uint64(draws) {
		thin := Thin(c, 30, seed)
		stands := float32(0)
		for _, s := range thin.Stands {
			stands += s
		}
		if thin.lines() != c.lines() || math.Abs(float64(stands)-float64(len(c.Targets))) > 1e-2 || len(thin.Targets) != 31 {
			t.Fatalf("thinned to %d candidates that stand for %v of %d", len(thin.Targets), stands, len(c.Targets))
		}
		mean += l.loss(&m, thin, 1, false) / draws
	}
	if math.Abs(mean-whole) > 0.02*whole {
		t.Errorf("mean loss of thinned cases %v, of the whole one %v", mean, whole)
	}
	if !reflect.DeepEqual(Thin(c, 30, 7), Thin(c, 30, 7)) || !reflect.DeepEqual(Thin(c, len(c.Targets), 7), c) {
		t.Error("thinning depends on more than its seed, or thins what is thin")
	}
}
