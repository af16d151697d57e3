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
	"github.com/softrec/softrec/trainer/soft/softtest"
)

// Plain tasks see the real targets alone, in as many epochs as teacher and student may take together.
func TestTask_plainLearnsNothingOfItsOwn(t *testing.T) {
	cfg := soft.DefaultConfig()
	cfg.Epochs, cfg.TeacherEpochs = 3, 2
	for _, plain := range []bool{false, true} {
		var p softtest.Pupil
		var rec schema.Round
		if err := (Task{Plain: plain, Now: time.Now}).Learn(t.Context(), &p, cfg, nil, &rec, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		easy := slices.ContainsFunc(p.Passes, func(lambda float64) bool { return lambda > 0 })
		if len(p.Passes) != 5 || easy == plain || (p.Distils == 0) != plain || (rec.Schedule == soft.SFTSchedule) != plain {
			t.Errorf("plain %v: passes %v, distilled %d times, schedule %q", plain, p.Passes, p.Distils, rec.Schedule)
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
			p, log := &softtest.Pupil{Still: c.still}, &bytes.Buffer{}
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

// arrived is a Pupil that is at the real targets when its student starts, and leaves them.
type arrived struct{ softtest.Pupil }

func (p *arrived) Distances(_ context.Context, probe []int) ([]float64, error) {
	return slices.Repeat([]float64{float64(max(0, len(p.Passes)-2))}, len(probe)), nil // the teacher takes two
}

// What is told as d_0 is the distance before the student's first epoch, also where that is nothing.
func TestTask_tellsTheDistanceOfTheStart(t *testing.T) {
	for name, p := range map[string]soft.Learner{"nothing": &arrived{}, "something": &softtest.Pupil{}} {
		cfg := soft.DefaultConfig()
		cfg.Epochs, cfg.TeacherEpochs = 3, 2
		var rec schema.Round
		var told, distances []float64
		task := Task{Now: time.Now, OnEpoch: func(e schema.Epoch, base float64) {
			told, distances = append(told, base), append(distances, e.Distance)
		}}
		if err := task.Learn(t.Context(), p, cfg, nil, &rec, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		d0 := rec.BaseDistance
		if !slices.Equal(told, []float64{d0, d0, d0}) || distances[0] != d0 || distances[2] == d0 || (d0 == 0) != (name == "nothing") {
			t.Errorf("%s: told of %v for %v, the record's is %v", name, told, distances, d0)
		}
	}
}
