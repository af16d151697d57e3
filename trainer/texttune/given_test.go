package texttune_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/textlive"
	"github.com/softrec/softrec/trainer/soft"
	"github.com/softrec/softrec/trainer/texttune"
)

// beginner is an engine that notes which adapter the first learner of a round starts from, and fails there.
type beginner struct {
	faulty
	fresh, began *lora.Adapter
}

func (b *beginner) Engine() (textlive.Engine, error)       { return b, nil }
func (b *beginner) Stuck(textlive.Engine, error)           {}
func (b *beginner) Adapter(uint64) (*lora.Adapter, error)  { return b.fresh, nil }
func (b *beginner) Item(string) ([]int32, []float32, bool) { return []int32{1}, nil, true }
func (b *beginner) Course(context.Context, textlive.Lessons) (textlive.Course, error) {
	return b, nil
}

var errBegan = errors.New("began")

func (b *beginner) Learner(start *lora.Adapter, _ uint64) (textlive.Learner, error) {
	b.began = start
	return nil, errBegan
}

// A given adapter is the start until there is a live one, and no longer.
func TestTune_startsFromTheAdapterGiven(t *testing.T) {
	kind := func(rank int) *lora.Adapter {
		a, err := lora.New(lora.Config{Rank: rank, Alpha: 4}, []lora.Module{{Name: "query", In: 4, Out: 4}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	fresh, given, live := kind(2), kind(2), kind(2)
	for name, c := range map[string]struct{ given, live, want *lora.Adapter }{
		"nothing yet":                 {nil, nil, fresh},
		"given":                       {given, nil, given},
		"given and live":              {given, live, live},
		"live is of an earlier kind":  {given, kind(3), given},
		"given is of an earlier kind": {kind(3), nil, fresh},
	} {
		b := &beginner{fresh: fresh}
		tuner, err := texttune.New(b, b, soft.DefaultConfig(), nil, nil, texttune.WithStart(c.given))
		if err != nil {
			t.Fatal(err)
		}
		task := trainer.Task{Live: trainer.Network{Adapter: c.live}, Text: &trainer.TextTask{Items: []string{"a"}, Train: []trainer.Prompt{{History: []int32{0}, Target: 0}}}}
		if _, err := tuner.Tune(background, task, &schema.Round{}); !errors.Is(err, errBegan) {
			t.Fatal(err)
		}
		if &b.began.A[0][0] != &c.want.A[0][0] {
			t.Errorf("%s: the round began with another adapter", name)
		}
	}
	b := &beginner{fresh: fresh}
	if _, err := texttune.New(b, b, soft.PaperConfig(), nil, nil, texttune.WithStart(given)); err == nil || !strings.Contains(err.Error(), "soft.start") {
		t.Errorf("an adapter that nothing would start from: %v", err)
	}
}
