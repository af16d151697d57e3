package soft

import (
	"context"
	"fmt"
	"strings"
)

// scripted is a learner that plays back figures and writes down what was asked of it. Its state is the story of how it
// came about: "base>real>mix0.5" is the base after an epoch on D and one on both.
type scripted struct {
	prompts int
	state   string

	distances   []float64 // by call: d_T, d_0, d_1, ...
	validations []float64 // by call: the teacher's epochs, the start, the student's epochs
	real, easy  []float64 // by call
	batches     [][]float64
	distil      Distilled
	failAt      string // prefix of the trace line that shall fail
	cancelAt    string
	cancel      func()

	trace []string
}

func (s *scripted) log(format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	s.trace = append(s.trace, line)
	if s.cancelAt != "" && strings.HasPrefix(line, s.cancelAt) {
		s.cancel()
	}
	if s.failAt != "" && strings.HasPrefix(line, s.failAt) {
		return fmt.Errorf("told to fail at %q", s.failAt)
	}
	return nil
}

// take pops the next scripted figure; an exhausted script repeats 0.
func take[T any](xs *[]T) (x T) {
	if len(*xs) > 0 {
		x, *xs = (*xs)[0], (*xs)[1:]
	}
	return x
}

func (s *scripted) Prompts() int { return s.prompts }

func (s *scripted) Train(ctx context.Context, p Pass) (Losses, error) {
	err := s.log("train lambda=%.5f mix=%s confidence=%v epoch=%d from %s", p.Lambda, p.Mix, p.Confidence, p.Epoch, s.state)
	switch {
	case p.Lambda == 0:
		s.state += ">real"
	case p.Lambda == 1:
		s.state += ">easy"
	default:
		s.state += fmt.Sprintf(">mix%.2f", p.Lambda)
	}
	for _, b := range take(&s.batches) {
		if p.Observe != nil {
			p.Observe(b, 0)
		}
	}
	return Losses{Real: take(&s.real), Easy: take(&s.easy), Updates: 16}, err
}

func (s *scripted) Distil(context.Context) (Distilled, error) {
	return s.distil, s.log("distil by %s", s.state)
}

func (s *scripted) FixSpace(_ context.Context, kind Space) error {
	if kind != SpaceModel {
		return s.log("fix space of %s", kind)
	}
	return s.log("fix space of %s", s.state)
}

func (s *scripted) Distances(_ context.Context, probe []int) ([]float64, error) {
	d := take(&s.distances)
	err := s.log("distance %g on %d prompts of %s", d, len(probe), s.state)
	ds := make([]float64, len(probe))
	for i := range ds {
		ds[i] = d
	}
	return ds, err
}

func (s *scripted) Validate(context.Context) (float64, error) {
	v := take(&s.validations)
	return v, s.log("validate %g of %s", v, s.state)
}

func (s *scripted) Save(context.Context) (State, error) { return s.state, s.log("save %s", s.state) }

func (s *scripted) Load(_ context.Context, st State) error {
	s.state = st.(string)
	return s.log("load %s", s.state)
}
