package texttune_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/textlive"
	"github.com/softrec/softrec/trainer/soft"
	"github.com/softrec/softrec/trainer/texttune"
)

// stand gives out one faulty engine and notes what it is told.
type stand struct {
	engine *faulty
	told   []error
}

func (s *stand) Engine() (textlive.Engine, error)        { return s.engine, nil }
func (s *stand) Stuck(engine textlive.Engine, err error) { s.told = append(s.told, err) }
func (s *stand) Item(string) ([]int32, []float32, bool)  { return []int32{1}, nil, true }

// faulty is an engine whose courses, or else their learners, fail.
type faulty struct {
	course, learner error
	closed          int
}

func (f *faulty) Adapter(uint64) (*lora.Adapter, error) { return &lora.Adapter{}, nil }
func (f *faulty) Course(context.Context, textlive.Lessons) (textlive.Course, error) {
	return f, f.course
}
func (f *faulty) Learner(*lora.Adapter, uint64) (textlive.Learner, error) { return nil, f.learner }
func (f *faulty) Close() error                                            { f.closed++; return nil }

// The machine is told of the engine's errors, and what a stuck run still reads is not closed.
func TestTune_tellsOfAStuckEngine(t *testing.T) {
	stuck, broken := fmt.Errorf("train: %w", lm.ErrStuck), errors.New("broken")
	for name, c := range map[string]struct {
		engine faulty
		want   error
		closed int
	}{
		"course stuck":   {faulty{course: stuck}, lm.ErrStuck, 0},
		"learner stuck":  {faulty{learner: stuck}, lm.ErrStuck, 0},
		"learner broken": {faulty{learner: broken}, broken, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stand{engine: &c.engine}
			tuner, err := texttune.New(s, s, soft.DefaultConfig(), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			task := trainer.Task{Text: &trainer.TextTask{Items: []string{"a"}, Train: []trainer.Prompt{{History: []int32{0}, Target: 0}}}}
			if _, err := tuner.Tune(background, task, &schema.Round{}); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if len(s.told) != 1 || !errors.Is(s.told[0], c.want) || s.engine.closed != c.closed {
				t.Errorf("told %v, course closed %d times", s.told, s.engine.closed)
			}
		})
	}
}
