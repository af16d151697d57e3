// Package softtest has a learner that trains nothing, for tests of what drives trainer/soft. It promises to do the same each time, needs
// nothing and starts no goroutine.
package softtest

import (
	"context"
	"slices"

	"github.com/softrec/softrec/trainer/soft"
)

// prompts is the size of a Pupil's data.
const prompts = 10

// Pupil is a soft.Learner that notes what it is made to do. Every pass makes it better on validation, and brings its answers nearer to
// the real targets unless it is Still. It is for one goroutine.
type Pupil struct {
	Still   bool
	Passes  []float64 // lambda of each
	Distils int
}

var _ soft.Learner = (*Pupil)(nil)

// Prompts implements soft.Learner.
func (p *Pupil) Prompts() int { return prompts }

// Train notes the pass.
func (p *Pupil) Train(_ context.Context, pass soft.Pass) (soft.Losses, error) {
	p.Passes = append(p.Passes, pass.Lambda)
	return soft.Losses{Real: 1, Easy: 1, Updates: 1}, nil
}

// Distil counts its calls.
func (p *Pupil) Distil(context.Context) (soft.Distilled, error) {
	p.Distils++
	return soft.Distilled{Answers: prompts, DistinctAnswers: prompts / 2, DistinctTargets: prompts / 2}, nil
}

// FixSpace implements soft.Learner.
func (p *Pupil) FixSpace(context.Context, soft.Space) error { return nil }

// Distances are 1, of a Pupil that is not Still less with every pass.
func (p *Pupil) Distances(_ context.Context, probe []int) ([]float64, error) {
	d := 1.0
	if !p.Still {
		d /= float64(1 + len(p.Passes))
	}
	return slices.Repeat([]float64{d}, len(probe)), nil
}

// Validate grows with every pass.
func (p *Pupil) Validate(context.Context) (float64, error) { return float64(len(p.Passes)) / 100, nil }

// Save implements soft.Learner.
func (p *Pupil) Save(context.Context) (soft.State, error) { return len(p.Passes), nil }

// Load leaves the Pupil as it is.
func (p *Pupil) Load(context.Context, soft.State) error { return nil }
