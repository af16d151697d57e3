package experiment

import (
	"context"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/soft"
)

// Watcher is told how an experiment gets on. Its methods are called from the experiment's own goroutine.
type Watcher interface {
	Begin(variant string, seed, number, of int) // a run begins
	Batch(done, of int)                         // of the epoch under way; of is an estimate
	End()                                       // the run has ended
}

// unwatched is the Watcher of an experiment that nobody watches.
type unwatched struct{}

func (unwatched) Begin(string, int, int, int) {}
func (unwatched) Batch(int, int)              {}
func (unwatched) End()                        {}

// watch logs one line an epoch and times it.
func (l *lab) watch() []soft.Option {
	began := l.now()
	var first schema.Epoch
	return []soft.Option{
		soft.WithOnStage(func(soft.Stage) { began, first = l.now(), schema.Epoch{} }),
		soft.WithOnEpoch(func(stage soft.Stage, e *schema.Epoch) {
			now := l.now()
			e.Seconds, began = now.Sub(began).Seconds(), now
			if e.Epoch == 0 {
				first = *e
			}
			ratio := 0.0
			if first.Distance > 0 {
				ratio = e.Distance / first.Distance
			}
			l.log.Info("epoch", "variant", l.current, "seed", l.seed, "stage", string(stage), "epoch", e.Epoch, "of", l.o.Epochs,
				"lambda", e.Lambda, "distance", e.Distance, "distance_ratio", ratio, "loss_real", e.LossReal, "loss_easy", e.LossEasy,
				"validation", e.Validation, "seconds", e.Seconds)
		}),
	}
}

// watched tells the watcher of every batch of a learner, and the log how long its epochs will take.
func (r *runner) watched(l Learner) Learner { return &watchedLearner{Learner: l, runner: r} }

type watchedLearner struct {
	Learner
	runner *runner
}

// slowEpoch is the length of an epoch from which on a person should be told beforehand.
const slowEpoch = 2 * time.Minute

// Train implements soft.Learner.
func (w *watchedLearner) Train(ctx context.Context, p soft.Pass) (soft.Losses, error) {
	batches := (w.Prompts() + w.runner.o.Batch - 1) / w.runner.o.Batch
	observe, done, start := p.Observe, 0, w.runner.now()
	p.Observe = func(real, easy float64) {
		done++
		w.runner.watcher.Batch(done, batches)
		if done == 2 { // the first batch compiles
			start = w.runner.now()
		}
		if done == 3 {
			w.runner.estimate(w.runner.now().Sub(start), batches)
		}
		if observe != nil {
			observe(real, easy)
		}
	}
	return w.Learner.Train(ctx, p)
}

// estimate warns once that the experiment will take long: on the Go backend it takes days where XLA takes hours.
func (r *runner) estimate(batch time.Duration, batches int) {
	epoch := batch * time.Duration(batches)
	if r.estimated {
		return
	}
	r.estimated = true
	all := epoch * time.Duration(r.trainings()*r.o.Epochs)
	args := []any{"backend", r.kit.Backend, "batch", batch.Round(time.Millisecond), "epoch", epoch.Round(time.Second), "all_at_most", all.Round(time.Minute)}
	if epoch < slowEpoch {
		r.log.Info("time of one epoch, without validation", args...)
		return
	}
	r.log.Warn("training will take long; a PJRT plugin (--pjrt-plugin), fewer prompts, shorter titles or histories make it shorter", args...)
}

// trainings is about how many trainings the experiment makes.
func (r *runner) trainings() int {
	n := len(r.o.rates()) - 1
	for _, j := range plan(r.o) {
		if j.variant.shape != nil || j.variant.name == SFT {
			n++
		}
	}
	return n
}
