package soft

import (
	"context"
	"errors"
	"fmt"
)

// SFTSchedule is the Schedule of a record made by SFT.
const SFTSchedule = "sft"

// SFT trains on D alone from start (nil: the state l holds) with the early stop of cfg, and leaves the best state loaded:
// the control of every claim about SOFT. Its passes draw the seeds a student's do, so it equals a Round at constant
// weight 0 from the same start, less the teacher. With Patience equal to Epochs it never makes fewer updates than a
// student of the same Epochs; Config.SameCompute gives it the compute of a whole round.
func SFT(ctx context.Context, l Learner, cfg Config, start State, seed uint64, opts ...Option) (Record, error) {
	rec := Record{Seed: seed, Schedule: SFTSchedule}
	if err := cfg.Validate(); err != nil {
		return rec, err
	}
	if l.Prompts() < 1 {
		return rec, errors.New("no training prompts")
	}
	if start != nil {
		if err := l.Load(ctx, start); err != nil {
			return rec, fmt.Errorf("load start state: %w", err)
		}
	}
	var err error
	if rec.StartValidation, err = validate(ctx, l); err != nil {
		return rec, err
	}
	t := tuning{
		learner: l, watch: newWatch(opts), stage: StageStudent,
		epochs: cfg.Epochs, patience: cfg.Patience,
		next: func(_ context.Context, e int) (Pass, float64, error) {
			return cfg.pass(seed, seedStudent, e, 0), 0, nil
		},
	}
	if rec.Student, _, err = t.run(ctx); err != nil {
		return rec, err
	}
	rec.judge()
	return rec, nil
}
