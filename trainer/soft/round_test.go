package soft

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/softrec/softrec/schema"
)

// story is a fake learner with figures enough for two teacher and three student epochs.
func story() *scripted {
	return &scripted{
		prompts: 10, state: "live",
		distances:   []float64{1, 2, 1.5, 1.2},
		validations: []float64{0.1, 0.2, 0.05, 0.1, 0.2, 0.3},
		real:        []float64{5, 4, 4.5, 4.2, 4}, easy: []float64{0, 0, 2, 1, 1},
	}
}

func shortPaper() Config {
	cfg := PaperConfig()
	cfg.TeacherEpochs, cfg.Epochs = 2, 3
	return cfg
}

// Whatever step of a round fails, the error says which and carries the cause.
func TestRound_everyStepMayFail(t *testing.T) {
	ok := story()
	if _, err := Round(t.Context(), ok, shortPaper(), "base", 1); err != nil {
		t.Fatal(err)
	}
	for i, line := range ok.trace {
		fake := story()
		fake.failAt = line
		rec, err := Round(t.Context(), fake, shortPaper(), "base", 1)
		if err == nil || !strings.Contains(err.Error(), "told to fail") {
			t.Errorf("step %d %q failed: error %v", i, line, err)
		}
		if len(fake.trace) > i+1 {
			t.Errorf("step %d %q failed, and the round went on: %q", i, line, fake.trace[len(fake.trace)-1])
		}
		if rec.Seed != 1 {
			t.Errorf("step %d: the record of a failed round lacks its seed", i)
		}
	}
}

// A cancelled context ends the round before the next epoch, also where the learner does not look at it.
func TestRound_cancellation(t *testing.T) {
	for at, want := range map[string]string{
		"train lambda=0.00000 mix=loss confidence=false epoch=0": "teacher epoch 1",
		"validate 0.2 of base>real>real":                         "student epoch 0",
		"train lambda=1.00000":                                   "student epoch 1",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		fake := story()
		fake.cancelAt, fake.cancel = at, cancel
		_, err := Round(ctx, fake, shortPaper(), "base", 1)
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), want) {
			t.Errorf("cancelled at %q: %v, want context.Canceled in %q", at, err, want)
		}
		cancel()
	}
}

func TestRound_badConfigTouchesNothing(t *testing.T) {
	fake, cfg := story(), PaperConfig()
	cfg.Alpha = 0
	if _, err := Round(t.Context(), fake, cfg, "base", 1); err == nil || !strings.Contains(err.Error(), "soft.alpha 0") {
		t.Errorf("error %v", err)
	}
	if _, err := SFT(t.Context(), fake, cfg, "base", 1); err == nil {
		t.Error("SFT took the bad config")
	}
	if len(fake.trace) > 0 {
		t.Errorf("the learner was asked %v", fake.trace)
	}
}

func TestRound_nilBaseMeansLive(t *testing.T) {
	fake := story()
	if _, err := Round(t.Context(), fake, shortPaper(), nil, 1); err != nil {
		t.Fatal(err)
	}
	for _, line := range fake.trace {
		if strings.Contains(line, "base") {
			t.Errorf("%q", line)
		}
	}
}

// badDistances answers too few of them.
type badDistances struct{ *scripted }

func (badDistances) Distances(context.Context, []int) ([]float64, error) { return []float64{1}, nil }

func TestRound_wrongNumberOfDistances(t *testing.T) {
	_, err := Round(t.Context(), badDistances{story()}, shortPaper(), "base", 1)
	if err == nil || !strings.Contains(err.Error(), "1 for 10 probe prompts") {
		t.Errorf("error %v", err)
	}
}

func TestRound_refusesImpossibleFigures(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*scripted)
		want string
	}{
		{"validation above 1", func(s *scripted) { s.validations[0] = 1.5 }, "HR@10 1.5"},
		{"validation NaN", func(s *scripted) { s.validations[3] = math.NaN() }, "HR@10 NaN"},
		{"easy loss infinite", func(s *scripted) { s.easy[2] = math.Inf(1) }, "easy-target loss +Inf"},
		{"negative distance", func(s *scripted) { s.distances[2] = -1 }, "distance -1"},
	} {
		fake := story()
		c.set(fake)
		if _, err := Round(t.Context(), fake, shortPaper(), "base", 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestRound_callbacks(t *testing.T) {
	var heard []string
	rec, err := Round(t.Context(), story(), shortPaper(), "base", 1,
		WithOnStage(func(s Stage) { heard = append(heard, string(s)) }),
		WithOnEpoch(func(s Stage, e *schema.Epoch) {
			heard = append(heard, fmt.Sprintf("%s %d", s, e.Epoch))
			e.Seconds = float64(len(heard))
		}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"teacher", "teacher 0", "teacher 1", "distil", "student", "student 0", "student 1", "student 2"}
	if !reflect.DeepEqual(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
	if got := rec.Student.Epochs[2].Seconds; got != 8 {
		t.Errorf("seconds %v were not kept", got)
	}
}

// The state kept is the first of those with the best validation, whatever the figures and the patience.
func TestTuning_bestIsRestored(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		cfg := PaperConfig()
		cfg.Schedule, cfg.Probe = ScheduleLinear, 0
		cfg.Epochs, cfg.Patience = 1+rng.IntN(9), 1+rng.IntN(4)
		fake := &scripted{prompts: 1, state: "live"}
		for range 1 + cfg.Epochs {
			fake.validations = append(fake.validations, float64(rng.IntN(5))/10)
		}
		vals := fake.validations[1:]
		rec, err := SFT(t.Context(), fake, cfg, "base", 1)
		if err != nil {
			t.Fatal(err)
		}
		best, stale, ran := 0, 0, 0
		for e, v := range vals {
			ran++
			if v > vals[best] || e == 0 {
				best, stale = e, 0
			} else if stale++; stale == cfg.Patience {
				break
			}
		}
		if rec.Student.BestEpoch != best || len(rec.Student.Epochs) != ran || rec.Student.Validation != vals[best] {
			t.Fatalf("validations %v patience %d: best %d of %d epochs, want %d of %d", vals, cfg.Patience, rec.Student.BestEpoch, len(rec.Student.Epochs), best, ran)
		}
		if want := "base" + strings.Repeat(">real", best+1); fake.state != want {
			t.Fatalf("loaded %s, want %s", fake.state, want)
		}
		if rec.Student.Stopped != (ran < cfg.Epochs) {
			t.Fatalf("stopped %v after %d of %d epochs", rec.Student.Stopped, ran, cfg.Epochs)
		}
	}
}

func TestRecord_fillsTheRoundOfTheTrainer(t *testing.T) {
	fake := story()
	fake.distil = Distilled{DistinctAnswers: 30, DistinctTargets: 40, AnswerPopularity: 3, TargetPopularity: 2}
	rec, err := Round(t.Context(), fake, shortPaper(), "base", 9)
	if err != nil {
		t.Fatal(err)
	}
	round := schema.Round{Round: 3, Learner: "sequence"}
	rec.Fill(&round)
	want := schema.Round{
		Round: 3, Learner: "sequence", Seed: 9, Schedule: ScheduleAdaptive, Alpha: 10, BaseDistance: 2,
		Teacher: schema.TeacherRecord{Epochs: 2, Loss: 4, Distance: 1, HR10: 0.2},
		Epochs:  rec.Student.Epochs, BestEpoch: 2, Coverage: 0.75, EasyPopular: 1.5,
	}
	if !reflect.DeepEqual(round, want) {
		t.Errorf("got  %+v\nwant %+v", round, want)
	}
}

func TestConfig_controlsMatchTheRun(t *testing.T) {
	rec := Record{
		Teacher: Tuning{Cost: 3}, Distilled: Distilled{Cost: 1},
		Student: Tuning{Cost: 8.4, Epochs: make([]schema.Epoch, 4)},
	}
	cfg := DefaultConfig()
	if c := cfg.SameCompute(rec); c.Epochs != 12 || c.Patience != 12 {
		t.Errorf("same compute: %d epochs, patience %d, want 12 and 12", c.Epochs, c.Patience)
	}
	if c := cfg.SameCompute(Record{}); c.Validate() != nil {
		t.Errorf("an empty record makes a bad config: %v", c.Validate())
	}
}

func TestDistilled_ratiosOfNothing(t *testing.T) {
	if d := (Distilled{}); d.Coverage() != 0 || d.PopularityRatio() != 0 {
		t.Errorf("coverage %v popularity %v", d.Coverage(), d.PopularityRatio())
	}
}
