package soft

import (
	"context"
	"errors"
	"fmt"
)

// Round runs SOFT once: it tunes a teacher on D, lets it write D', and trains the student from D' towards D. base is the
// state FromBase means; nil stands for the state l holds when Round begins, which is what FromLive means.
//
// The student left loaded is the best of its trained epochs by validation, even where none beat the
// start; BetterThanStart tells. With KeepBetter it is the teacher where that validated better; KeptTeacher tells. After an error l is in an undefined state: load one.
func Round(ctx context.Context, l Learner, cfg Config, base State, seed uint64, opts ...Option) (Record, error) {
	return run(ctx, l, cfg, base, nil, seed, opts)
}

// run is a round; taught is nil where it tunes its own teacher.
func run(ctx context.Context, l Learner, cfg Config, base State, taught *Taught, seed uint64, opts []Option) (Record, error) {
	if err := cfg.Validate(); err != nil {
		return Record{}, err
	}
	r := &round{learner: l, cfg: cfg, taught: taught, watch: newWatch(opts), rec: Record{Seed: seed}}
	if err := r.prepare(ctx, base); err != nil {
		return r.rec, fmt.Errorf("prepare: %w", err)
	}
	if err := r.teach(ctx); err != nil {
		return r.rec, err
	}
	if err := r.distil(ctx); err != nil {
		return r.rec, fmt.Errorf("distil: %w", err)
	}
	if err := r.begin(ctx); err != nil {
		return r.rec, fmt.Errorf("student: %w", err)
	}
	if err := r.study(ctx); err != nil {
		return r.rec, err
	}
	if err := r.keep(ctx); err != nil {
		return r.rec, fmt.Errorf("keep the teacher: %w", err)
	}
	return r.rec, nil
}

// round is the state of one Round, in the order its fields are set.
type round struct {
	learner Learner
	cfg     Config
	taught  *Taught // nil: the round tunes its own teacher
	watch   watch
	rec     Record

	base, live State
	probe      []int
	teacher    State // at its best

	schedule Schedule
	meter    lossMeter
	lambda   float64 // of the epoch before; 1 before the first
}

// prepare saves the live state, draws the probe set and fixes E, unless it is the teacher's.
func (r *round) prepare(ctx context.Context, base State) error {
	if r.learner.Prompts() < 1 {
		return errors.New("no training prompts")
	}
	var err error
	if r.live, err = r.learner.Save(ctx); err != nil {
		return fmt.Errorf("save live state: %w", err)
	}
	if r.base = base; base == nil {
		r.base = r.live
	}
	r.probe = Probe(r.learner.Prompts(), r.cfg.Probe, r.rec.Seed)
	r.rec.Probed = len(r.probe)
	switch {
	case len(r.probe) == 0:
		return nil
	case r.cfg.Space == FromCooccurrence:
		return r.fixSpace(ctx, SpaceCooccurrence)
	case r.cfg.Space == FromBase:
		if err := r.load(ctx, FromBase); err != nil {
			return err
		}
		return r.fixSpace(ctx, SpaceModel)
	}
	return nil
}

// teach tunes the teacher and leaves its best state loaded.
func (r *round) teach(ctx context.Context) error {
	if r.taught != nil {
		return r.enrol(ctx)
	}
	if err := r.load(ctx, r.cfg.TeacherStart); err != nil {
		return fmt.Errorf("teacher: %w", err)
	}
	t := tuning{
		learner: r.learner, watch: r.watch, stage: StageTeacher,
		epochs: r.cfg.TeacherEpochs, patience: r.cfg.Patience,
		next: func(_ context.Context, e int) (Pass, float64, error) {
			return r.cfg.pass(r.rec.Seed, seedTeacher, e, 0), 0, nil
		},
	}
	var err error
	r.rec.Teacher, r.teacher, err = t.run(ctx)
	return err
}

// distil lets the teacher write D' and measures how near the real targets its answers are.
func (r *round) distil(ctx context.Context) error {
	r.watch.stage(StageDistil)
	if r.cfg.Space == FromTeacher && len(r.probe) > 0 {
		if err := r.fixSpace(ctx, SpaceModel); err != nil {
			return err
		}
	}
	d, err := r.answers(ctx)
	if err != nil {
		return err
	}
	d.Cost = orOne(d.Cost)
	r.rec.Distilled = d
	r.rec.TeacherDistance, err = r.distance(ctx)
	return err
}

// begin loads the student's start, measures it, and settles which schedule runs with which alpha.
func (r *round) begin(ctx context.Context) error {
	if err := r.load(ctx, r.cfg.Start); err != nil {
		return err
	}
	var err error
	if r.rec.StartDistance, err = r.distance(ctx); err != nil {
		return err
	}
	if r.rec.StartValidation, err = validate(ctx, r.learner); err != nil {
		return err
	}
	r.lambda, r.meter = 1, lossMeter{window: r.cfg.LossWindow}
	return r.choose()
}

// keep loads the teacher where it is to be kept, and says what the round ended with. Notes are of that alone.
func (r *round) keep(ctx context.Context) error {
	t, s := r.rec.Teacher.Validation, r.rec.Student.Validation
	if r.cfg.Keep != KeepBetter || t <= s {
		r.rec.judge()
		return nil
	}
	r.rec.KeptTeacher, r.rec.BetterThanStart = true, t > r.rec.StartValidation
	const kept = "the teacher was kept: its validation %.6g is better than the student's %.6g"
	if r.rec.BetterThanStart {
		r.note(kept, t, s)
	} else {
		r.note(kept+"; neither beat the start's %.6g", t, s, r.rec.StartValidation)
	}
	return r.learner.Load(ctx, r.teacher)
}

// load makes the base or the live state the present one.
func (r *round) load(ctx context.Context, from string) error {
	s := r.live
	if from == FromBase {
		s = r.base
	}
	if err := r.learner.Load(ctx, s); err != nil {
		return fmt.Errorf("load %s state: %w", from, err)
	}
	return nil
}

func (r *round) fixSpace(ctx context.Context, kind Space) error {
	if err := r.learner.FixSpace(ctx, kind); err != nil {
		return fmt.Errorf("fix the item space (%s): %w", kind, err)
	}
	return nil
}

// distance is d of the present state: the mean over the probe set, 0 where none is measured.
func (r *round) distance(ctx context.Context) (float64, error) {
	if len(r.probe) == 0 {
		return 0, nil
	}
	ds, err := r.learner.Distances(ctx, r.probe)
	if err != nil {
		return 0, fmt.Errorf("distances: %w", err)
	}
	if len(ds) != len(r.probe) {
		return 0, fmt.Errorf("distances: %d for %d probe prompts", len(ds), len(r.probe))
	}
	sum := 0.0
	for i, d := range ds {
		if err := checkSignal("distance", d); err != nil {
			return 0, fmt.Errorf("probe prompt %d: %w", r.probe[i], err)
		}
		sum += d
	}
	return sum / float64(len(ds)), nil
}

// pass plans one epoch of c.
func (c Config) pass(seed, stage uint64, e int, lambda float64) Pass {
	return Pass{Lambda: lambda, Mix: Mix(c.Mix), Confidence: c.Confidence, Seed: passSeed(seed, stage, e), Epoch: e}
}
