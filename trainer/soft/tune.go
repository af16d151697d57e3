package soft

import (
	"context"
	"fmt"

	"github.com/softrec/softrec/schema"
)

// Stage is a part of a run, for those who watch it.
type Stage string

// The stages of a round, in their order.
const (
	StageTeacher Stage = "teacher" // SFT on D
	StageDistil  Stage = "distil"  // the teacher answers every prompt
	StageStudent Stage = "student" // the curriculum, or the one stage of SFT
)

// Option changes how a run is watched, never what it computes.
type Option func(*watch)

// watch holds the callbacks of a run.
type watch struct {
	stage func(Stage)
	epoch func(Stage, *schema.Epoch)
}

// WithOnStage has fn called when a stage begins.
func WithOnStage(fn func(Stage)) Option { return func(w *watch) { w.stage = fn } }

// WithOnEpoch has fn called after each epoch's validation. This package has no clock: fn may set Seconds, which is all it
// may change, and the record keeps it.
func WithOnEpoch(fn func(Stage, *schema.Epoch)) Option { return func(w *watch) { w.epoch = fn } }

func newWatch(opts []Option) watch {
	w := watch{stage: func(Stage) {}, epoch: func(Stage, *schema.Epoch) {}}
	for _, o := range opts {
		o(&w)
	}
	return w
}

// tuning is an early-stopped run: epochs of passes, each validated, the best state kept.
type tuning struct {
	learner  Learner
	watch    watch
	stage    Stage
	epochs   int
	patience int
	// next plans the epoch e: its pass, and the distance measured before it.
	next func(ctx context.Context, e int) (Pass, float64, error)
	// trained, where it is not nil, hears the losses of each epoch.
	trained func(Losses)
}

// run trains, validates and stops; it leaves the best state loaded, and returns it. Of equal validations the earlier one is kept: it
// has moved less far from its start.
func (t tuning) run(ctx context.Context) (out Tuning, best State, err error) {
	t.watch.stage(t.stage)
	stale := 0
	for e := 0; e < t.epochs && !out.Stopped; e++ {
		epoch, err := t.epoch(ctx, e, &out)
		if err != nil {
			return out, nil, fmt.Errorf("%s epoch %d: %w", t.stage, e, err)
		}
		out.Epochs = append(out.Epochs, epoch)
		if e > 0 && epoch.Validation <= out.Validation {
			stale++
			out.Stopped = stale >= t.patience && e+1 < t.epochs
			continue
		}
		stale, out.BestEpoch, out.Validation = 0, e, epoch.Validation
		if best, err = t.learner.Save(ctx); err != nil {
			return out, nil, fmt.Errorf("%s epoch %d: save: %w", t.stage, e, err)
		}
	}
	if err := t.learner.Load(ctx, best); err != nil {
		return out, nil, fmt.Errorf("%s: load best state of epoch %d: %w", t.stage, out.BestEpoch, err)
	}
	return out, best, nil
}

// epoch makes one pass, adds its steps and cost to sum, and validates.
func (t tuning) epoch(ctx context.Context, e int, sum *Tuning) (schema.Epoch, error) {
	if err := ctx.Err(); err != nil {
		return schema.Epoch{}, err
	}
	pass, distance, err := t.next(ctx, e)
	if err != nil {
		return schema.Epoch{}, err
	}
	losses, err := t.learner.Train(ctx, pass)
	if err != nil {
		return schema.Epoch{}, fmt.Errorf("train: %w", err)
	}
	if err := losses.check(); err != nil {
		return schema.Epoch{}, fmt.Errorf("train: %w", err)
	}
	sum.Updates += losses.Updates
	sum.Cost += orOne(losses.Cost)
	if t.trained != nil {
		t.trained(losses)
	}
	validation, err := validate(ctx, t.learner)
	if err != nil {
		return schema.Epoch{}, err
	}
	epoch := schema.Epoch{
		Epoch: e, Lambda: pass.Lambda, Distance: distance,
		LossReal: losses.Real, LossEasy: losses.Easy, Validation: validation,
	}
	t.watch.epoch(t.stage, &epoch)
	return epoch, nil
}

// check refuses losses no healthy pass has: a model that diverged must end the round, not win it.
func (l Losses) check() error {
	if err := checkSignal("real-target loss", l.Real); err != nil {
		return err
	}
	if err := checkSignal("easy-target loss", l.Easy); err != nil {
		return err
	}
	if l.Updates < 0 {
		return fmt.Errorf("updates %d: want at least 0", l.Updates)
	}
	return checkSignal("cost", l.Cost)
}

// validate asks for HR@10 and checks it.
func validate(ctx context.Context, l Learner) (float64, error) {
	hr, err := l.Validate(ctx)
	if err != nil {
		return 0, fmt.Errorf("validate: %w", err)
	}
	if !(hr >= 0 && hr <= 1) {
		return 0, fmt.Errorf("validate: HR@10 %v: want 0 to 1", hr)
	}
	return hr, nil
}

// orOne reads a cost, whose 0 means one pass.
func orOne(cost float64) float64 {
	if cost == 0 {
		return 1
	}
	return cost
}
