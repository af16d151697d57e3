package seqtrain

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// wide is how much larger the vectors of items and positions are than fresh ones where gradients are held against differences. Fresh ones
// (0.02) are normalized, so that a step of a hundredth bends the loss by half, and one that does not is lost in the rounding of a float32.
const wide = 30

// widen makes the vectors of items and positions wide, and returns w.
func widen(w *sequence.Weights) *sequence.Weights {
	for _, tn := range w.Tensors()[:2] {
		for i := range tn.Data {
			tn.Data[i] *= wide
		}
	}
	return w
}

// holdGradients holds the gradients that run gives, at four places of each tensor, against differences of run's loss; changed is called
// first of all and after each change of a tensor.
func holdGradients(t *testing.T, name string, all []sequence.Tensor, run func() (float64, [][]float32), changed func()) {
	t.Helper()
	changed()
	loss, live := run()
	if len(live) != len(all) {
		t.Fatalf("%s: gradients of %d tensors, there are %d", name, len(live), len(all))
	}
	grads := make([][]float32, len(live))
	for i := range live {
		grads[i] = append([]float32(nil), live[i]...)
	}
	// What the last digits of the two losses can do to a difference, as the sums behind them differ from one processor to the next.
	rounding := 4 * float64(math.Nextafter32(float32(loss), math.MaxFloat32)-float32(loss))
	rng := rand.New(rand.NewPCG(3, 3))
	worst := 0.0
	for ti, tn := range all {
		for range 4 {
			i := rng.IntN(len(tn.Data))
			got, closest, tried := float64(grads[ti][i]), math.Inf(1), []float64{}
			// A step of a hundredth may still cross a corner of relu, and a narrower one is rounded more: one must agree.
			for _, eps := range []float32{1e-2, 3e-3, 1e-3} {
				old := tn.Data[i]
				at := func(v float32) float64 { tn.Data[i] = v; changed(); loss, _ := run(); return loss }
				want := (at(old+eps) - at(old-eps)) / float64(2*eps)
				tn.Data[i] = old
				changed()
				tried = append(tried, want)
				closest = min(closest, math.Abs(got-want)/(3e-4+0.02*math.Abs(want)+rounding/float64(2*eps)))
			}
			if worst = max(worst, closest); closest > 1 {
				t.Errorf("%s, %s[%d]: gradient %v, differences %v", name, tn.Name, i, got, tried)
			}
		}
	}
	t.Logf("%s: the worst is at %.2f of what is let through", name, worst)
}
