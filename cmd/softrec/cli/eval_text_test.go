package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/stream"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/textlive"
)

// tinyModel is a random encoder of two layers of width 32, small enough for the pure-Go backend.
const tinyModel = "../../../trainer/model/lm/testdata/bert"

// titledLog writes a log of users who walk through a catalogue with titles, 3 items further each time.
func titledLog(t *testing.T, lines int) (interactions, items string) {
	t.Helper()
	rows, titles := []string{"user\titem\ttimestamp"}, []string{"item\ttitle"}
	for i := range lines {
		rows = append(rows, fmt.Sprintf("u%d\ti%d\t%d", i%20, (i%20+3*(i/20))%30, 1_300_000_000+600*i))
	}
	for i := range 30 {
		titles = append(titles, fmt.Sprintf("i%d\t%s teapot %d", i, []string{"red", "blue", "green"}[i%3], i))
	}
	interactions, items = filepath.Join(t.TempDir(), "log.tsv"), filepath.Join(t.TempDir(), "items.tsv")
	for path, lines := range map[string][]string{interactions: rows, items: titles} {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return interactions, items
}

// quickText are settings of short rounds.
func quickText() []string {
	return []string{"--model", tinyModel, "--pjrt-plugin", "none", "--trainer-round-events", "150", "--trainer-round-min-events", "100", "--trainer-bootstrap-events", "50", "--trainer-soft-epochs", "1",
		"--trainer-soft-teacher-epochs", "1", "--trainer-text-prompts", "32", "--trainer-text-validation", "16", "--trainer-text-questions", "16", "--text-machine-retrieval-render-items", "3"}
}

func evaluated(t *testing.T, args ...string) *evaluation.Result {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	if _, err := softrec(t, nil, append([]string{"eval", "stream", "--out", out, "--bootstrap", "100"}, args...)...); err != nil {
		t.Fatal(err)
	}
	r, err := evaluation.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The language model alone answers in step with a log, tuned as it goes, with the same figures each time; the audit finds no leak.
func TestEvalStream_languageModelAlone(t *testing.T) {
	if raceEnabled {
		t.Skip("gomlx's matrix products trip checkptr, which -race turns on")
	}
	log, items := titledLog(t, 400)
	args := append(quickText(), "--interactions", log, "--items", items, "--models", "popularity,text,text-sft", "--audit", "250")
	r := evaluated(t, args...)
	m := r.Models[evaluation.Text]
	if m == nil || m.HR10 <= 0 || m.Coverage < 0.2 || r.Language != "bert" || r.Learner != "" {
		t.Fatalf("text %+v of learner %q, language model %q", m, r.Learner, r.Language)
	}
	if plain := r.Models[evaluation.TextSFT]; plain == nil || plain.HR10 <= 0 || plain.Events != m.Events {
		t.Errorf("refreshed by plain fine-tuning %+v, by SOFT %+v", plain, m)
	}
	if again := evaluated(t, args...); !reflect.DeepEqual(r.WithoutTimes(), again.WithoutTimes()) {
		t.Errorf("a second run gives %+v, the first %+v", again.Models[evaluation.Text], m)
	}
}

// The language model is the learner of the live application: by plain fine-tuning, and by SOFT.
func TestEvalStream_languageModelLive(t *testing.T) {
	if raceEnabled {
		t.Skip("gomlx's matrix products trip checkptr, which -race turns on")
	}
	log, items := titledLog(t, 400)
	r := evaluated(t, append(quickText(), "--interactions", log, "--items", items, "--models", "sft,soft,ranker", "--mode", "delayed", "--learner", "text", "--answer-budget", "10s", "--speed", "100",
		"--trainer-round-interval", "100ms")...)
	if r.Learner != "text" || r.Language != "bert" || len(r.Models) != 3 {
		t.Fatalf("learner %q, language model %q, models %v", r.Learner, r.Language, r.Order())
	}
	for name, m := range r.Models {
		l := m.Live[0]
		if l.TextReady == 0 || l.Failed > 0 || l.FailedRounds > 0 {
			t.Errorf("%s: %+v", name, l)
		}
		t.Logf("%s: %d rounds ended within the log", name, l.Rounds) // none on a slow machine: the log goes on at its pace
	}
}

// The language model is part of the ranker in step with a log, beside the ranker without it; the audit finds no leak. The sequence model is left
// out where the learner trains none.
func TestEvalStream_languageModelInTheRanker(t *testing.T) {
	if raceEnabled {
		t.Skip("gomlx's matrix products trip checkptr, which -race turns on")
	}
	log, items := titledLog(t, 400)
	r := evaluated(t, append(quickText(), "--interactions", log, "--items", items, "--learner", "text", "--models", "counts,sequence,sft,soft", "--audit", "250")...)
	if r.Learner != "text" || r.Language != "bert" || len(r.Models) != 3 || !slices.ContainsFunc(r.Notes, func(s string) bool { return strings.HasPrefix(s, "sequence: left out") }) {
		t.Fatalf("learner %q, language model %q, models %v, notes %q", r.Learner, r.Language, r.Order(), r.Notes)
	}
	for name, m := range r.Models {
		if m.HR10 <= 0 {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if !slices.ContainsFunc(r.Comparisons, func(c evaluation.Comparison) bool { return c.New == evaluation.SOFT && c.Old == evaluation.Counts }) {
		t.Errorf("comparisons %+v", r.Comparisons)
	}
}

// What is missing is said before anything is played.
func TestEvalStream_textLearnerWantsAModel(t *testing.T) {
	log, items := titledLog(t, 60)
	for models, want := range map[string]string{"popularity,ranker": "--model", "sft": "--model", "popularity,counts": "", "popularity,sequence": ""} {
		out := filepath.Join(t.TempDir(), "out")
		_, err := softrec(t, nil, "eval", "stream", "--interactions", log, "--items", items, "--learner", "text", "--models", models, "--bootstrap", "100", "--audit", "0", "--out", out)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "trainer.learner text")) {
			t.Errorf("--models %s: %v", models, err)
		}
		if _, err := os.Stat(out); want != "" && !os.IsNotExist(err) {
			t.Errorf("--models %s: began before it was refused: %v", models, err)
		}
	}
}

// Results of one language model are not taken for those of another in a folder of the same name.
func TestStreamSettings_nameTheLanguageModelByItsContent(t *testing.T) {
	loaded, err := config.Load(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	settings := func(weights string, models ...string) string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "model")
		for name, content := range map[string]string{"config.json": `{"model_type":"bert"}`, "model.safetensors": weights} {
			if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		o := stream.DefaultOptions()
		o.Models = models
		mine := *loaded
		mine.Config.Text.Model = dir
		s, err := streamSettings(t.Context(), o, &mine, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if a, b := settings("tuned", "text-sft"), settings("other", "text-sft"); a == b {
		t.Error("two models have one name")
	}
	if a, b := settings("tuned", "text"), settings("tuned", "text"); a != b {
		t.Error("copies of a model have two names")
	}
	if a, b := settings("tuned", "ranker"), settings("other", "ranker"); a != b {
		t.Error("a model that nobody reads decides over the figures")
	}
	production := *loaded
	production.Config.Trainer.Learner, production.Config.Text.Model = trainer.LearnerText, filepath.Join(t.TempDir(), "nothing")
	o := stream.DefaultOptions()
	o.Models = []string{"popularity"}
	if _, err := streamSettings(t.Context(), o, &production, nil); err != nil {
		t.Errorf("simple models beside a configuration of production: %v", err)
	}
	o.Mode, o.Models = stream.Delayed, nil // the ranker by default, which reads it
	if _, err := streamSettings(t.Context(), o, &production, nil); err == nil || !strings.Contains(err.Error(), "text.model: ") || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("the model of the configuration is not there: %v", err)
	}
}

// Nobody waits for answers while an evaluation trains: its runs of the model are as long as is good for training.
func TestUnwatched_undoesTheShortRuns(t *testing.T) {
	want := textlive.DefaultMachineConfig()
	if live := config.DefaultText().Machine; live.Retrieval.MicroBatch != 4 || live.Generative.MicroBatch != 4 || live.Encoder.BatchSize != 8 {
		t.Errorf("live rounds make runs of %d and %d prompts and of %d texts", live.Retrieval.MicroBatch, live.Generative.MicroBatch, live.Encoder.BatchSize)
	}
	if delayed := streamed(stream.Delayed); delayed["text.machine.retrieval.micro_batch"] != "" {
		t.Error("the delayed mode is not as in production")
	}
	for name, preset := range map[string]map[string]string{"stream": rehearsed(), "soft": unhurried()} {
		loaded, err := config.Load(config.Sources{Preset: preset})
		if err != nil {
			t.Fatal(err)
		}
		m := loaded.Config.Text.Machine
		if m.Encoder != want.Encoder || m.Retrieval.MicroBatch != want.Retrieval.MicroBatch || m.Generative.MicroBatch != want.Generative.MicroBatch {
			t.Errorf("eval %s: %+v", name, m)
		}
	}
}
