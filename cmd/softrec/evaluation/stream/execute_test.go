package stream

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

func options(t *testing.T, rows []string) Options {
	o := DefaultOptions()
	o.Interactions, o.Out, o.Draws, o.Seeds = write(t, "log.tsv", header, rows), filepath.Join(t.TempDir(), "out"), 100, 2
	return o
}

func TestExecute_sameSettingsSameFigures(t *testing.T) {
	o := options(t, lines(1, 600))
	out := o.Out
	first, err := Execute(t.Context(), o, Kit{Open: newEcho})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Execute(t.Context(), o, Kit{Open: newEcho}) // into the same folder
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first.WithoutTimes(), second.WithoutTimes()); d != "" {
		t.Errorf("a second run differs (-first +second):\n%s", d)
	}
	for _, name := range evaluation.Names() {
		m := first.Models[name]
		if evaluation.TextAlone(name) {
			if m != nil {
				t.Errorf("%s ran without a language model", name)
			}
			continue
		}
		if m == nil || m.Events != first.Events || m.FirstTime.Events+m.Repeat.Events != m.Events || len(m.Windows) == 0 {
			t.Errorf("%s: %+v of %d events", name, m, first.Events)
		}
	}
	if d := cmp.Diff(first.Models["ranker"].Scores, first.Models["soft"].Scores); d != "" || len(first.Models["ranker"].Seeds) != 2 {
		t.Errorf("soft is not the ranker: %s", d)
	}
	for _, name := range []string{evaluation.FileResult, evaluation.FileModels, evaluation.FileWindows, evaluation.FileMarkdown, evaluation.FileReport} {
		b, err := os.ReadFile(filepath.Join(o.Out, name))
		if err != nil || len(b) < 100 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
		if name == evaluation.FileReport && (strings.Contains(string(b), "http://") && !onlyNamespaces(string(b)) || strings.Contains(string(b), "<script")) {
			t.Error("the report needs something besides itself")
		}
	}
	o.Models, o.Model, o.Items, o.Out = []string{"popularity", "text"}, "somewhere/some-model", write(t, "items.tsv", "item\ttitle", []string{"i1\ta lamp"}), t.TempDir()
	for _, can := range []bool{false, true} {
		r, err := Execute(t.Context(), o, Kit{Open: newEcho, Text: can, Learner: "counts", Settings: fmt.Sprint(can)})
		if err != nil || (r.Models["text"] != nil) != can || r.Learner != "" || (r.Language == "some-model") != can {
			t.Errorf("text, where rehearsals read it is %v: %v, %v", can, r, err)
		}
		o.Out = t.TempDir()
	}
	o.Models = []string{"ranker"}
	if r, err := Execute(t.Context(), o, Kit{Open: newEcho, Learner: "counts"}); err != nil || r.Learner != "counts" || r.Language != "" {
		t.Errorf("the learner counts reads no language model: %v, %v", r, err)
	}
	o.Models, o.Model, o.Items, o.Out = nil, "", "", out
	o.FilterSeen = true
	if _, err := Execute(t.Context(), o, Kit{Open: newEcho}); err == nil || !strings.Contains(err.Error(), "holds the results of other settings") {
		t.Errorf("results of other settings were written over: %v", err)
	}
}

// Results and logs name the seeds that runs really had, not their numbers.
func TestExecute_namesTheSeeds(t *testing.T) {
	o := options(t, lines(1, 300))
	o.Models = []string{"popularity", "frozen", "soft", "ranker"}
	var logs strings.Builder
	r, err := Execute(t.Context(), o, Kit{Open: newSeeded, Log: slog.New(slog.NewTextHandler(&logs, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range o.Models[1:] {
		if s := r.Models[name].Seeds; len(s) != 2 || s[0].Seed != 7 || s[1].Seed != 8 {
			t.Errorf("%s: seeds %+v", name, s)
		}
		if want := "name=" + name + " seed=8"; !strings.Contains(logs.String(), want) || strings.Contains(logs.String(), "name="+name+" seed=1") {
			t.Errorf("the log does not say %q:\n%s", want, logs.String())
		}
	}
}

// onlyNamespaces reports whether all addresses are names of XML vocabularies, which nothing fetches.
func onlyNamespaces(page string) bool {
	return strings.Count(page, "http://") == strings.Count(page, "http://www.w3.org/")
}

// The names of result.json are a contract with whoever reads it.
func TestExecute_resultHasItsNames(t *testing.T) {
	o := options(t, lines(2, 200))
	o.Models = []string{"repeats"}
	if _, err := Execute(t.Context(), o, Kit{}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(o.Out, evaluation.FileResult))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Models map[string]map[string]any `json:"models"`
		Events float64                   `json:"events"`
		Second float64                   `json:"seconds"`
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	m := r.Models["repeats"]
	for _, key := range []string{"hr10", "ndcg10", "mrr10", "events", "first_time", "repeat", "cold_items", "new_users", "windows", "coverage", "popularity_bias", "seconds", "latency_p99_ms"} {
		if _, ok := m[key]; !ok {
			t.Errorf("models.repeats has no %s", key)
		}
	}
	if group, _ := m["repeat"].(map[string]any); group["ndcg10"] == nil || r.Events == 0 || r.Second == 0 {
		t.Errorf("%s", b)
	}
}

// Two users, known answers: what is a question, which group it is in, and which rank it gets.
func TestPass_judgesByHand(t *testing.T) {
	rows := []string{"a\tx\t1\t", "a\ty\t1\t", "b\tx\t2\t", "a\tx\t3\t", "a\tz\t3\t", "a\tz\t3\t", "b\ty\t4\t"}
	for _, c := range []struct {
		filter bool
		warmup float64
		models evaluation.Model
	}{
		// b asks for x: tied with y at 1.5. a asks for x (1), z (unseen, twice). b asks for y: below x 3 and z 2.
		{false, 0.29, evaluation.Model{Scores: evaluation.Scores{Events: 5, HR10: 0.6}, Repeat: evaluation.Scores{Events: 1, HR10: 1},
			FirstTime: evaluation.Scores{Events: 4, HR10: 0.5}, NewUsers: evaluation.Scores{Events: 1, HR10: 1}, ColdItems: evaluation.Scores{Events: 5, HR10: 0.6}}},
		// a's x is no question, b's y is found behind z alone.
		{true, 0.29, evaluation.Model{Scores: evaluation.Scores{Events: 4, HR10: 0.5}, FirstTime: evaluation.Scores{Events: 4, HR10: 0.5},
			NewUsers: evaluation.Scores{Events: 1, HR10: 1}, ColdItems: evaluation.Scores{Events: 4, HR10: 0.5}}},
	} {
		o := options(t, rows)
		o.FilterSeen, o.Warmup, o.Models = c.filter, c.warmup, []string{"popularity"}
		r, err := Execute(t.Context(), o, Kit{})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range evaluation.Groups() {
			got, want := r.Models["popularity"].Of(g), c.models.Of(g)
			if got.Events != want.Events || got.HR10 != want.HR10 {
				t.Errorf("filter %v, %s: %+v, want %+v", c.filter, g, got, want)
			}
		}
		if want := map[bool]float64{false: 0.4, true: 0.5}[c.filter]; r.Data.UnseenShare != want {
			t.Errorf("filter %v: unseen share %v, want %v", c.filter, r.Data.UnseenShare, want)
		}
	}
}

func TestExecute_namesWhatIsWrong(t *testing.T) {
	o := DefaultOptions()
	o.Warmup, o.Models, o.Seeds, o.Mode, o.Limit, o.Draws = 1, []string{"best", "text", "text"}, 0, "fast", -1, 1
	_, err := Execute(t.Context(), o, Kit{})
	for _, want := range []string{"--interactions \"\"", "--out \"\"", "--warmup 1", "--models best", "--models text: want every name once", "--models text: want a language model in --model", "--models text: want the titles of a catalogue in --items",
		"--seeds 0", "--mode fast", "--limit -1", "--bootstrap 1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
	o = options(t, []string{"a\tx\tsoon\tb"})
	if _, err := Execute(t.Context(), o, Kit{}); err == nil || !strings.Contains(err.Error(), `timestamp "soon"`) {
		t.Errorf("got %v", err)
	}
	o = options(t, lines(1, 5))
	o.Basket = "receipt"
	if _, err := Execute(t.Context(), o, Kit{}); err == nil || !strings.Contains(err.Error(), `receipt "": is not in the header`) {
		t.Errorf("got %v", err)
	}
	o = options(t, lines(1, 5))
	o.Models = []string{"ranker"}
	if _, err := Execute(t.Context(), o, Kit{}); err == nil || !strings.Contains(err.Error(), "--models [ranker]: nothing is left to run") {
		t.Errorf("got %v", err)
	}
}
