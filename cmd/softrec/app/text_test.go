package app

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/cmd/softrec/probe"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/hf/fetch"
)

// tinyModel is a random encoder small enough for the pure-Go backend.
const tinyModel = "../../../trainer/model/lm/testdata/bert"

// A process with the text learner reads titles as they arrive, answers with the language model's scores and recommends a
// new item that nobody has clicked.
// It runs on a stage, as the demo and the evaluation do: answers went without the language model there, because the server did not know
// the model under the stage's clock for a bundle.
func TestApp_textLearnerOnTheStream(t *testing.T) {
	if raceEnabled {
		t.Skip("gomlx's matrix products trip checkptr, which -race turns on")
	}
	client, stop := runningOn(t, Stage{Now: time.Now}, settings(t, map[string]string{
		"trainer.learner": "text", "text.model": tinyModel, "backend.pjrt_plugin": "none", "serve.answer_budget": "10s",
		"trainer.round_events": "40", "trainer.round_min_events": "20", "trainer.round_interval": "1s", "trainer.gate_minimum": "1",
		"trainer.gate_margin": "1", "trainer.gate_superior": "false", "trainer.gate_users": "2", "trainer.gate_coverage": "0", "trainer.soft.epochs": "1", "trainer.soft.teacher_epochs": "1", "data_dir": t.TempDir(),
	}))
	defer stop()
	titles := []string{"red teapot", "blue teapot", "wooden clock", "paper lantern", "glass lantern", "tin mug"}
	for i, title := range titles {
		put(t, client, fmt.Sprintf("i%d", i), title)
	}
	for u := range 20 {
		clickAll(t, client, fmt.Sprintf("user-%d", u), fmt.Sprintf("i%d", u%6), fmt.Sprintf("i%d", (u+1)%6), fmt.Sprintf("i%d", (u+3)%6))
	}
	var answer schema.Answer
	eventually(t, func() error {
		var err error
		if answer, err = client.Recommend(t.Context(), "user-3", 6); err == nil && answer.Text != schema.TextReady {
			err = fmt.Errorf("the answer of model %q has the text state %q", answer.ModelVersion, answer.Text)
		}
		return err
	})
	put(t, client, "brand-new", "green teapot")
	eventually(t, func() error {
		a, err := client.Recommend(t.Context(), "user-3", 7)
		if err != nil {
			return err
		}
		for _, it := range a.Items {
			if it.ID == "brand-new" && it.Source == schema.SourceText {
				return nil
			}
		}
		return fmt.Errorf("the new item is not recommended for its title: %+v", a.Items)
	})
}

func put(t *testing.T, client *probe.Client, id, title string) {
	t.Helper()
	if err := client.PutItem(t.Context(), schema.Item{ID: id, Title: title}); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_textLearnerNeedsAModel(t *testing.T) {
	for value, want := range map[string]string{"": "text.model is empty", "no/such/folder": "text.model"} {
		loaded := settings(t, map[string]string{"trainer.learner": "text", "text.model": value})
		a, err := Open(t.Context(), loaded, slog.New(slog.DiscardHandler), "test", AllRoles()...)
		if err == nil {
			_ = a.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("model %q: error %v, want one with %q", value, err, want)
		}
	}
}

// text.offline reaches what resolves hf: names: a model that no cache holds is an error without a connection.
func TestFetchOptions_offline(t *testing.T) {
	loaded := settings(t, map[string]string{"text.offline": "true", "text.cache": t.TempDir()})
	_, err := fetch.Resolve(t.Context(), "hf:owner/name", FetchOptions(loaded.Config.Text, slog.New(slog.DiscardHandler)))
	if err == nil || !strings.Contains(err.Error(), "text.offline") {
		t.Errorf("error %v", err)
	}
}

// text.adapter is read at the start: what does not fit the configured adapter ends it, and what fits does not.
func TestOpen_textAdapter(t *testing.T) {
	if raceEnabled {
		t.Skip("gomlx's matrix products trip checkptr, which -race turns on")
	}
	for rank, want := range map[string]string{"8": "text.machine.retrieval.lora.rank is 8", "4": ""} {
		loaded := settings(t, map[string]string{
			"trainer.learner": "text", "text.model": tinyModel, "text.adapter": tinyModel + "/adapter", "backend.pjrt_plugin": "none",
			"text.machine.retrieval.lora.rank": rank, "text.machine.retrieval.lora.alpha": "8",
		})
		a, err := Open(t.Context(), loaded, slog.New(slog.DiscardHandler), "test", AllRoles()...)
		if err == nil {
			err = a.Close()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "text.adapter")) {
			t.Errorf("rank %s: error %v, want %q", rank, err, want)
		}
	}
}
