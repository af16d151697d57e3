package mixer

import (
	"runtime"
	"sync"
)

// trainer takes the steps of a fit. Every step splits its cases in two, always the same way, so that the sums come out
// alike whether one goroutine works or two.
type trainer struct {
	model   model
	opt     *adam
	lanes   [2]*lane
	workers int
}

func newTrainer(m model, workers int, rate float64) *trainer {
	return &trainer{model: m, opt: newAdam(len(m.w.flat), rate), workers: workers,
		lanes: [2]*lane{newLane(m.w.shape), newLane(m.w.shape)}}
}

// source gives the cases of a step; its caller is one of two lanes, each of which may be called at the same time.
type source func(lane, i int) Case

// weigh says what the gradient of a case is multiplied with.
type weigh func(lines float64) float64

func everyLine(float64) float64 { return 1 }

// losses returns the summed loss of n cases; with back, the gradient is left in the first lane.
func (t *trainer) losses(n int, from source, by weigh, back bool) float64 {
	var sums [2]float64
	work := func(k int) {
		l := t.lanes[k]
		if back {
			l.begin(t.model.w)
		}
		for i := k; i < n; i += len(t.lanes) {
			c := from(k, i)
			sums[k] += l.loss(&t.model, c, by(c.lines()), back)
			runtime.Gosched() // a case takes up to a millisecond: an answer that came due meanwhile goes first
		}
	}
	if t.workers > 1 && n > 1 {
		var other sync.WaitGroup
		other.Go(func() { work(1) })
		work(0)
		other.Wait()
	} else {
		work(0)
		work(1)
	}
	if back {
		axpy(1, t.lanes[1].grad.flat, t.lanes[0].grad.flat)
	}
	return sums[0] + sums[1]
}

// step takes one step on n cases whose weights times lines sum up to lines, pulled towards home (nil: not at all), and
// returns the summed loss before it.
func (t *trainer) step(n int, from source, by weigh, lines, pull float64, home []float32) float64 {
	loss := t.losses(n, from, by, true)
	grad, w := t.lanes[0].grad.flat, t.model.w.flat
	scale, back := float32(1/lines), float32(pull)
	for i, g := range grad {
		g *= scale
		if home != nil {
			g += back * (w[i] - home[i])
		}
		grad[i] = g
	}
	t.opt.step(w, grad)
	return loss
}
