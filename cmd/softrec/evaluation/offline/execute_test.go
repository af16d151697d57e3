package offline

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// quick are options for a tiny log.
func quick(t *testing.T, log, items string) Options {
	t.Helper()
	o := DefaultOptions()
	o.Interactions, o.Items = write(t, log, items)
	o.Out = filepath.Join(t.TempDir(), "out")
	o.Seeds, o.Epochs, o.SoftEpochs, o.Draws = 2, 6, 2, 100
	o.Network = SmallNetwork()
	o.Network.Shape.Dim, o.Network.Shape.FF, o.Network.Shape.MaxLen = 16, 16, 12
	o.Network.Train.Batch, o.Network.Train.LearningRate = 8, 0.01
	return o
}

func TestExecute_everyModelOnATinyLog(t *testing.T) {
	if raceEnabled {
		t.Skip("the Go backend of gomlx reads memory in ways the race detector does not know")
	}
	log, items := world(150, 1, nil)
	o := quick(t, log, items)
	o.Model = "titles" // goKit's encoder
	r, err := Execute(context.Background(), o, goKit, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := append(ModelNames(), RankerValid, TransitionsValid); len(r.Models) != len(want) {
		t.Errorf("models %v, want %v", r.Order(), want)
	}
	pop, follow, blend := r.Models[evaluation.Popularity], r.Models[evaluation.Transitions], r.Models[evaluation.Ranker]
	if r.Events != 150 || follow.HR10 < 0.8 || follow.HR10 < pop.HR10 || blend.HR10 < 0.8 || blend.NDCG10 < 0.9*follow.NDCG10 {
		t.Errorf("%d events: popularity %.3f, transitions %.3f/%.3f, ranker %.3f/%.3f", r.Events, pop.HR10, follow.HR10, follow.NDCG10, blend.HR10, blend.NDCG10)
	}
	if len(blend.Seeds) != 2 || blend.Seeds[0].Seed == blend.Seeds[1].Seed || follow.Seeds != nil {
		t.Errorf("seeds of ranker %v, of transitions %v", blend.Seeds, follow.Seeds)
	}
	if blend.FirstTime.Events != r.Events || blend.Repeat.Events != 0 {
		t.Errorf("groups: first-time %d, repeats %d", blend.FirstTime.Events, blend.Repeat.Events)
	}
	if !slices.ContainsFunc(r.Comparisons, func(c evaluation.Comparison) bool {
		return c.New == evaluation.Ranker && c.Old == evaluation.Transitions && c.Events == r.Events
	}) {
		t.Errorf("ranker and transitions are not compared: %+v", r.Comparisons)
	}
	if r.Protocol != Protocol || !strings.Contains(r.Notes[0], "LEAKS ALONG THE GLOBAL CLOCK") {
		t.Errorf("protocol %q, first note %q", r.Protocol, r.Notes[0])
	}
	kept, err := evaluation.Read(o.Out)
	if err != nil || kept.Settings != r.Settings || kept.Models[evaluation.Ranker].HR10 != blend.HR10 {
		t.Errorf("the folder holds %+v, %v", kept, err)
	}
	o.Epochs = 7
	if _, err := Execute(context.Background(), o, goKit, nil); err == nil || !strings.Contains(err.Error(), "other settings") {
		t.Errorf("a folder of other settings: error %v", err)
	}
}

func TestExecute_twiceIsTheSame(t *testing.T) {
	if raceEnabled {
		t.Skip("the Go backend of gomlx reads memory in ways the race detector does not know")
	}
	log, items := world(60, 2, nil)
	o := quick(t, log, items)
	o.Seeds, o.Epochs, o.Models = 1, 2, []string{evaluation.Transitions, evaluation.Sequence, evaluation.Ranker}
	var docs []string
	for range 2 {
		r, err := Execute(context.Background(), o, goKit, nil)
		if err != nil {
			t.Fatal(err)
		}
		plain := r.WithoutTimes()
		plain.Notes = nil // they tell the seconds of the training
		b, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, string(b))
	}
	if docs[0] != docs[1] {
		t.Errorf("two runs differ:\n%s\n%s", docs[0], docs[1])
	}
}

// TestExecute_testItemsDecideNothing gives every user another last item: what the models answer must not change, as it is
// the very thing they are asked for.
func TestExecute_testItemsDecideNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the Go backend of gomlx reads memory in ways the race detector does not know")
	}
	var lists [2][][]int32
	for i := range lists {
		log, items := world(60, 3, func(user int, had []int) int {
			for item := (user + 7*i) % catalogueOf; ; item = (item + 1) % catalogueOf {
				if !slices.Contains(had, item) {
					return item
				}
			}
		})
		o := quick(t, log, items)
		o.Seeds, o.Epochs = 1, 2
		data, err := Open(o.Interactions, o.Items)
		if err != nil {
			t.Fatal(err)
		}
		l := newLab(o, data, nil)
		if l.split, err = Cut(data); err != nil {
			t.Fatal(err)
		}
		l.o.Models = []string{evaluation.Popularity, evaluation.Transitions, evaluation.Sequence, evaluation.Ranker}
		if _, err := l.all(context.Background(), goKit); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{evaluation.Popularity, evaluation.Transitions, TransitionsValid, evaluation.Sequence, evaluation.Ranker, RankerValid} {
			for _, a := range l.runs[name][0].answers {
				lists[i] = append(lists[i], a.top)
			}
		}
	}
	if !slices.EqualFunc(lists[0], lists[1], slices.Equal) {
		t.Error("an answer depends on the item it is judged by")
	}
}

func TestExecute_countsNeedNoBackend(t *testing.T) {
	log, items := world(30, 4, nil)
	o := quick(t, log, items)
	o.Models = []string{evaluation.Popularity, evaluation.Transitions}
	r, err := Execute(context.Background(), o, nil, nil)
	if err != nil || len(r.Models) != 3 {
		t.Fatalf("%v, %v", r, err)
	}
}

func TestOptions_refusals(t *testing.T) {
	log, items := world(30, 5, nil)
	for want, change := range map[string]func(*Options){
		`--interactions ""`:         func(o *Options) { o.Interactions = "" },
		"--networks best":           func(o *Options) { o.Models, o.Networks = []string{evaluation.Sequence}, []string{"best"} },
		"each variant once":         func(o *Options) { o.Models, o.Networks = []string{evaluation.Sequence}, []string{"gbce", "gbce"} },
		"sequence or ranker among":  func(o *Options) { o.Networks = []string{"gbce"} },
		"--size huge":               func(o *Options) { o.Size = "huge" },
		"--train-share 0":           func(o *Options) { o.Share = 0 },
		`--out ""`:                  func(o *Options) { o.Out = "" },
		"--models oracle":           func(o *Options) { o.Models = []string{"oracle"} },
		"each model once":           func(o *Options) { o.Models = []string{evaluation.Popularity, evaluation.Popularity} },
		"an encoder with --model":   func(o *Options) { o.Models = []string{evaluation.Text} },
		"--seeds 0":                 func(o *Options) { o.Seeds = 0 },
		"--minutes 0":               func(o *Options) { o.Minutes = 0 },
		"--minutes +Inf":            func(o *Options) { o.Minutes = math.Inf(1) },
		"--minutes 1e+12":           func(o *Options) { o.Minutes = 1e12 },
		"--epochs 0":                func(o *Options) { o.Epochs = 0 },
		"--soft-epochs -1":          func(o *Options) { o.SoftEpochs = -1 },
		"--watch -1":                func(o *Options) { o.Watch = -1 },
		"--bootstrap 1":             func(o *Options) { o.Draws = 1 },
		"network.patience 0":        func(o *Options) { o.Network.Patience = 0 },
		"no such file or directory": func(o *Options) { o.Interactions = filepath.Join(t.TempDir(), "none.tsv") },
	} {
		o := quick(t, log, items)
		o.Models = []string{evaluation.Popularity}
		change(&o)
		if _, err := Execute(context.Background(), o, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
}

// The names of result.json are a contract with whoever reads it, and the same as those of the stream.
func TestExecute_resultHasItsNames(t *testing.T) {
	log, _ := world(30, 4, nil)
	o := quick(t, log, "item\n")
	o.Items, o.Models = "", []string{evaluation.Popularity, evaluation.Transitions} // a log without a catalogue
	if _, err := Execute(context.Background(), o, nil, nil); err != nil {
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
	for name, m := range r.Models {
		for _, key := range []string{"hr10", "ndcg10", "mrr10"} {
			if _, ok := m[key].(float64); !ok {
				t.Errorf("models.%s has no %s", name, key)
			}
			for _, group := range []string{"first_time", "repeat", "cold_items", "new_users"} {
				if g, _ := m[group].(map[string]any); g[key] == nil {
					t.Errorf("models.%s.%s has no %s", name, group, key)
				}
			}
		}
	}
	if len(r.Models) != 3 || r.Events != 30 || r.Second == 0 {
		t.Errorf("%s", b)
	}
}
