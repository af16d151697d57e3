package soft

import (
	"context"
	"errors"
	"fmt"
)

// Taught is a teacher that was tuned before, for example by SFT, so that many rounds can share it: experiments compare
// students, and every student deserves the same teacher.
type Taught struct {
	State  State  // the tuned weights, which the learner can load
	Tuning Tuning // how it was tuned; goes into the record, and its cost counts as if the round had paid it
	// Distilled, where it is not nil, says that the learner still holds the D' this very teacher wrote; it is then not
	// written again, and its cost counts all the same.
	Distilled *Distilled
}

// RoundFrom is Round with a teacher that exists already: it begins where Round has tuned its own, and all that is said
// there holds. The seeds of probe and student are those of a Round with the same seed.
func RoundFrom(ctx context.Context, l Learner, cfg Config, base State, teacher Taught, seed uint64, opts ...Option) (Record, error) {
	if teacher.State == nil {
		return Record{}, errors.New("round from a teacher: it has no state")
	}
	return run(ctx, l, cfg, base, &teacher, seed, opts)
}

// enrol takes over a teacher that was tuned before.
func (r *round) enrol(ctx context.Context) error {
	if err := r.learner.Load(ctx, r.taught.State); err != nil {
		return fmt.Errorf("load the given teacher: %w", err)
	}
	r.rec.Teacher, r.teacher = r.taught.Tuning, r.taught.State
	return nil
}

// answers lets the teacher write D', or takes the D' it has written before.
func (r *round) answers(ctx context.Context) (Distilled, error) {
	if r.taught != nil && r.taught.Distilled != nil {
		return *r.taught.Distilled, nil
	}
	return r.learner.Distil(ctx)
}
