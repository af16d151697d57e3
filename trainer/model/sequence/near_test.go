package sequence

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/softrec/softrec/trainer/model/nearest"
)

// A vector's products with the items are the scores, and a network of a small vocabulary has no index whatever it is given.
func TestVector_isWhatScoresAreMadeOf(t *testing.T) {
	cfg := Config{Dim: 12, Layers: 2, Heads: 3, MaxLen: 8, FF: 16}
	w, err := NewWeights(cfg, 200, 3)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	scores, v := make([]float32, 200), make([]float32, cfg.Dim)
	for n := range 20 {
		history := make([]int32, n)
		for i := range history {
			history[i] = rng.Int32N(220)
		}
		known := w.Scores(history, scores)
		if w.Vector(history, v) != known {
			t.Fatalf("window of %d: known %v to one and not to the other", n, known)
		}
		for i := int32(1); known && i < 200; i++ {
			sum := 0.0
			for j, x := range w.Item(i) {
				sum += float64(x) * float64(v[j])
			}
			if math.Abs(sum-float64(scores[i])) > 1e-4 {
				t.Fatalf("item %d: %v, want %v", i, sum, scores[i])
			}
		}
	}
	if n := testing.AllocsPerRun(50, func() { w.Vector([]int32{1, 2, 3}, v) }); n != 0 && !raceEnabled { // a pool forgets at random under the detector
		t.Errorf("%v allocations", n)
	}
	x, err := nearest.Build(w.Items(), cfg.Dim, 0.9, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.UseNear(x); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Near(); got != nil || err != nil {
		t.Errorf("an index for 200 rows: %v, %v", got, err)
	}
	if grown, err := w.Grow(201, 1); err != nil || grown.UseNear(x) == nil {
		t.Errorf("an index of another size was taken (%v)", err)
	}
}
