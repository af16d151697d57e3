package trainer

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/soft"
)

// pupil is a learner whose answers come no nearer, if it is still, and that notes what it is made to do.
type pupil struct {
	still   bool
	passes  []float64 // lambda of each
	distils int
}

func (p *pupil) Prompts() int { return 10 }
func (p *pupil) Train(_ context.Context, pass soft.Pass) (soft.Losses, error) {
	p.passes = append(p.passes, pass.Lambda)
	return soft.Losses{Real: 1, Easy: 1, Updates: 1}, nil
}
func (p *pupil) Distil(context.Context) (soft.Distilled, error) {
	p.distils++
	return soft.Distilled{Answers: 10, DistinctAnswers: 5, DistinctTargets: 5}, nil
}
func (p *pupil) FixSpace(context.Context) error { return nil }
func (p *pupil) Distances(_ context.Context, probe []int) ([]float64, error) {
	d := 1.0
	if !p.still {
		d /= float64(1 + len(p.passes))
	}
	return slices.Repeat([]float64{d}, len(probe)), nil
}
func (p *pupil) Validate(context.Context) (float64, error)      { return float64(len(p.passes)) / 100, nil }
func (p *pupil) Save(context.Context) (soft.State, error)       { return len(p.passes), nil }
func (p *pupil) Load(_ context.Context, state soft.State) error { return nil }

// Plain tasks see the real targets alone, in as many epochs as teacher and student may take together.
func TestTask_plainLearnsNothingOfItsOwn(t *testing.T) {
	cfg := soft.DefaultConfig()
	cfg.Epochs, cfg.TeacherEpochs = 3, 2
	for _, plain := range []bool{false, true} {
		var p pupil
		var rec schema.Round
		if err := (Task{Plain: plain, Now: time.Now}).Learn(t.Context(), &p, cfg, nil, &rec, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		easy := slices.ContainsFunc(p.passes, func(lambda float64) bool { return lambda > 0 })
		if len(p.passes) != 5 || easy == plain || (p.distils == 0) != plain || (rec.Schedule == soft.SFTSchedule) != plain {
			t.Errorf("plain %v: passes %v, distilled %d times, schedule %q", plain, p.passes, p.distils, rec.Schedule)
		}
	}
}

// A distance that does not fall is warned of once a round, and is no warning where the curriculum has nothing to do with it.
func TestTask_warnsOfADistanceThatDoesNotFall(t *testing.T) {
	for name, c := range map[string]struct {
		still, plain bool
		schedule     string
		want         int
	}{
		"falls":                   {schedule: soft.ScheduleAdaptive},
		"does not fall":           {still: true, schedule: soft.ScheduleAdaptive, want: 1},
		"does not fall, fallback": {still: true, schedule: soft.ScheduleSelfCalibrated, want: 1},
		"not asked for":           {still: true, schedule: soft.ScheduleLinear},
		"plain":                   {still: true, plain: true, schedule: soft.ScheduleAdaptive},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := soft.DefaultConfig()
			cfg.Schedule, cfg.Epochs, cfg.TeacherEpochs = c.schedule, 3, 2
			p, log := &pupil{still: c.still}, &bytes.Buffer{}
			warnings := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			if err := (Task{Plain: c.plain, Now: time.Now}).Learn(t.Context(), p, cfg, nil, &schema.Round{Round: 7}, warnings); err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(log.String(), "the distance was not below its start"); got != c.want || got != strings.Count(log.String(), "\n") {
				t.Errorf("want %d warnings of it, got\n%s", c.want, log)
			}
		})
	}
}
