package texttune_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/textlive"
	"github.com/softrec/softrec/trainer/soft"
	"github.com/softrec/softrec/trainer/texttune"
)

// desk gives out one engine, whose learner is a pupil.
type desk struct{ pupil *pupil }

func (d desk) Engine() (textlive.Engine, error)                                  { return d, nil }
func (d desk) Stuck(textlive.Engine, error)                                      {}
func (d desk) Item(string) ([]int32, []float32, bool)                            { return []int32{1}, nil, true }
func (d desk) Adapter(uint64) (*lora.Adapter, error)                             { return &lora.Adapter{}, nil }
func (d desk) Course(context.Context, textlive.Lessons) (textlive.Course, error) { return d, nil }
func (d desk) Learner(*lora.Adapter, uint64) (textlive.Learner, error)           { return d.pupil, nil }
func (d desk) Close() error                                                      { return nil }

// pupil is a learner whose answers come no nearer, and that notes what it is made to do.
type pupil struct {
	passes  []float64 // lambda of each
	distils int
}

func (p *pupil) Adapter() *lora.Adapter { return &lora.Adapter{} }
func (p *pupil) Prompts() int           { return 4 }
func (p *pupil) Train(_ context.Context, pass soft.Pass) (soft.Losses, error) {
	p.passes = append(p.passes, pass.Lambda)
	return soft.Losses{Real: 1, Easy: 1, Updates: 1}, nil
}
func (p *pupil) Distil(context.Context) (soft.Distilled, error) {
	p.distils++
	return soft.Distilled{Answers: 4, DistinctAnswers: 2, DistinctTargets: 2}, nil
}
func (p *pupil) FixSpace(context.Context) error { return nil }
func (p *pupil) Distances(_ context.Context, probe []int) ([]float64, error) {
	return slices.Repeat([]float64{1}, len(probe)), nil
}
func (p *pupil) Validate(context.Context) (float64, error) { return float64(len(p.passes)) / 100, nil }
func (p *pupil) Save(context.Context) (soft.State, error)  { return len(p.passes), nil }
func (p *pupil) Load(context.Context, soft.State) error    { return nil }

// A plain task fine-tunes the language model on the real targets alone, in as many epochs as teacher and student may take
// together. The distance, which only SOFT reads, is warned of once where it does not fall.
func TestTune_plain(t *testing.T) {
	cfg := soft.DefaultConfig()
	cfg.Epochs, cfg.TeacherEpochs = 3, 2
	for _, plain := range []bool{false, true} {
		p, log := &pupil{}, &bytes.Buffer{}
		tuner, err := texttune.New(desk{p}, desk{p}, cfg, nil, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})))
		if err != nil {
			t.Fatal(err)
		}
		prompts := []trainer.Prompt{{History: []int32{0}, Target: 0}}
		task := trainer.Task{Plain: plain, Now: time.Now, Text: &trainer.TextTask{Items: []string{"a"}, Train: prompts, Validation: prompts}}
		var rec schema.Round
		if _, err := tuner.Tune(background, task, &rec); err != nil {
			t.Fatal(err)
		}
		easy := slices.ContainsFunc(p.passes, func(lambda float64) bool { return lambda > 0 })
		if len(p.passes) != 5 || easy == plain || (p.distils == 0) != plain || (rec.Schedule == soft.SFTSchedule) != plain {
			t.Errorf("plain %v: passes %v, distilled %d times, schedule %q", plain, p.passes, p.distils, rec.Schedule)
		}
		if warned := strings.Count(log.String(), "the distance was not below its start"); (warned == 0) != plain || warned > 1 {
			t.Errorf("plain %v: warned %d times in\n%s", plain, warned, log)
		}
	}
}
