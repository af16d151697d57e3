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
	"github.com/softrec/softrec/trainer/soft/softtest"
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

// pupil is a learner of a language model whose answers come no nearer.
type pupil struct{ softtest.Pupil }

func (p *pupil) Adapter() *lora.Adapter { return &lora.Adapter{} }

// A plain task fine-tunes the language model on the real targets alone, in as many epochs as teacher and student may take
// together. The distance, which only SOFT reads, is warned of once where it does not fall.
func TestTune_plain(t *testing.T) {
	cfg := soft.DefaultConfig()
	cfg.Epochs, cfg.TeacherEpochs = 3, 2
	for _, plain := range []bool{false, true} {
		p, log := &pupil{softtest.Pupil{Still: true}}, &bytes.Buffer{}
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
		easy := slices.ContainsFunc(p.Passes, func(lambda float64) bool { return lambda > 0 })
		if len(p.Passes) != 5 || easy == plain || (p.Distils == 0) != plain || (rec.Schedule == soft.SFTSchedule) != plain {
			t.Errorf("plain %v: passes %v, distilled %d times, schedule %q", plain, p.Passes, p.Distils, rec.Schedule)
		}
		if warned := strings.Count(log.String(), "the distance was not below its start"); (warned == 0) != plain || warned > 1 {
			t.Errorf("plain %v: warned %d times in\n%s", plain, warned, log)
		}
	}
}
