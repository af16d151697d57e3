package texttune_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/soft"
	"github.com/softrec/softrec/trainer/texttune"
)

// begin runs a round that ends at its first learner, and returns the adapter that this was to start from and the log.
func begin(t *testing.T, fresh, given, live *lora.Adapter) (*lora.Adapter, string) {
	t.Helper()
	b, log := &beginner{fresh: fresh}, &bytes.Buffer{}
	tuner, err := texttune.New(b, b, soft.DefaultConfig(), nil, slog.New(slog.NewTextHandler(log, nil)), texttune.WithStart(given))
	if err != nil {
		t.Fatal(err)
	}
	task := trainer.Task{Live: trainer.Network{Adapter: live}, Text: &trainer.TextTask{Items: []string{"a"}, Train: []trainer.Prompt{{History: []int32{0}, Target: 0}}}}
	if _, err := tuner.Tune(background, task, &schema.Round{}); !errors.Is(err, errBegan) {
		t.Fatal(err)
	}
	return b.began, log.String()
}

// A round trains with the dropout that is configured now, not with that of the round that made the live adapter, which keeps its own.
func TestTune_dropoutIsTheConfiguredOne(t *testing.T) {
	with := func(dropout float64) *lora.Adapter {
		a, err := lora.New(lora.Config{Rank: 2, Alpha: 4, Dropout: dropout}, []lora.Module{{Name: "query", In: 4, Out: 4}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for name, old := range map[string]struct{ given, live *lora.Adapter }{"live": {nil, with(0.5)}, "given": {with(0.5), nil}} {
		began, _ := begin(t, with(0.25), old.given, old.live)
		if began.Config.Dropout != 0.25 {
			t.Errorf("%s: the round began with dropout %v, configured is 0.25", name, began.Config.Dropout)
		}
		for _, a := range []*lora.Adapter{old.given, old.live} {
			if a != nil && a.Config.Dropout != 0.5 {
				t.Errorf("%s: the round changed the adapter that it started from", name)
			}
		}
	}
}

// That a live adapter is dropped is said, with what differs.
func TestTune_tellsOfADroppedAdapter(t *testing.T) {
	kind := func(rank int, modules ...lora.Module) *lora.Adapter {
		a, err := lora.New(lora.Config{Rank: rank, Alpha: 2 * float64(rank)}, modules, 1)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	query, value := lora.Module{Name: "query", In: 4, Out: 4}, lora.Module{Name: "value", In: 4, Out: 4}
	fresh := kind(2, query)
	for name, c := range map[string]struct {
		live *lora.Adapter
		want string // in the log; empty = nothing of a dropped adapter
	}{
		"none":    {nil, ""},
		"alike":   {kind(2, query), ""},
		"rank":    {kind(3, query), "live_rank=3 rank=2"},
		"targets": {kind(2, query, value), "live_layers=2 layers=1"},
	} {
		_, log := begin(t, fresh, nil, c.live)
		if said := strings.Contains(log, "the live adapter is dropped"); said != (c.want != "") || !strings.Contains(log, c.want) {
			t.Errorf("%s: the log says %q", name, log)
		}
	}
}
