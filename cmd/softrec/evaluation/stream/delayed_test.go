package stream

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
)

// fakeSystem answers like repeats, and knows whether it was told and asked in order.
type fakeSystem struct {
	rival.Contender
	c                SystemConfig
	answers, baskets int
	warmed, closed   bool
	fail             error
}

func (f *fakeSystem) Name() string { return f.c.Model }
func (f *fakeSystem) EndWarmup()   { f.warmed = true }
func (f *fakeSystem) Close() error { f.closed = true; return nil }

func (f *fakeSystem) Answer(q rival.Question) (rival.Answer, error) {
	if !f.warmed || q.Number != f.baskets {
		return rival.Answer{}, errors.New("asked too early or too late")
	}
	f.answers++
	return f.Contender.Answer(q)
}

func (f *fakeSystem) Learn(ctx context.Context, b *rival.Basket) error {
	f.baskets++
	return errors.Join(f.fail, f.Contender.Learn(ctx, b))
}

func (f *fakeSystem) Report(context.Context) (evaluation.Live, error) {
	return evaluation.Live{Questions: f.answers, Age: evaluation.SpanOf([]float32{3, 5})}, nil
}

// systems opens fakes and remembers them.
func fakes(all *[]*fakeSystem, fail error) OpenSystem {
	return func(_ context.Context, c SystemConfig) (System, error) {
		f := &fakeSystem{Contender: rival.NewRepeats(), c: c, fail: fail}
		*all = append(*all, f)
		return f, nil
	}
}

func delayedOptions(t *testing.T, rows []string, models ...string) Options {
	o := options(t, rows)
	o.Mode, o.Speed, o.Models = Delayed, 0, models
	return o
}

func TestExecute_delayed(t *testing.T) {
	var all []*fakeSystem
	o := delayedOptions(t, lines(1, 300), "repeats", "sft", "soft", "ranker")
	r, err := Execute(t.Context(), o, Kit{System: fakes(&all, nil), Open: newEcho})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 4 { // two seeds of ranker and sft; soft is the ranker's replay
		t.Errorf("%d applications ran", len(all))
	}
	for _, f := range all {
		if !f.closed || f.answers != r.Data.Questions || f.baskets != r.Data.Baskets {
			t.Errorf("%+v of %+v", f, r.Data)
		}
	}
	for _, name := range []string{"sft", "soft", "ranker"} {
		m := r.Models[name]
		if m == nil || m.HR10 != r.Models["repeats"].HR10 || len(m.Live) != 2 || m.Live[1].Seed != 2 || m.AgeEvents != 4 || len(m.Seeds) != 2 {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if r.Mode != Delayed || len(r.Models) != 4 || len(r.Comparisons) == 0 {
		t.Errorf("mode %s, models %v, %d comparisons", r.Mode, r.Order(), len(r.Comparisons))
	}
	page := strings.Join(r.Notes, "\n")
	for _, want := range []string{"Delayed mode:", "Every", "every simple model played the beginning", "sft, seed 2: "} {
		if !strings.Contains(page, want) {
			t.Errorf("the notes do not say %q:\n%s", want, page)
		}
	}
}

// seededSystem is an application that knows its seed.
type seededSystem struct {
	*fakeSystem
	seed int64
}

func (s seededSystem) Seed() int64 { return s.seed }

func TestExecute_delayedNamesTheSeeds(t *testing.T) {
	o := delayedOptions(t, lines(1, 100), "soft", "ranker")
	r, err := Execute(t.Context(), o, Kit{System: func(_ context.Context, c SystemConfig) (System, error) {
		return seededSystem{&fakeSystem{Contender: rival.NewRepeats(), c: c}, 6 + c.Seed}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range r.Models {
		for i, want := range []int64{7, 8} {
			if m.Seeds[i].Seed != want || m.Live[i].Seed != want {
				t.Errorf("%s, run %d: seed %d, live %d, want %d", name, i+1, m.Seeds[i].Seed, m.Live[i].Seed, want)
			}
		}
	}
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "ranker, seed 8: ") || strings.Contains(notes, "ranker, seed 1: ") {
		t.Errorf("notes:\n%s", notes)
	}
}

func TestExecute_delayedChoosesItsModels(t *testing.T) {
	var all []*fakeSystem
	o := delayedOptions(t, lines(2, 50))
	o.Seeds = 1
	r, err := Execute(t.Context(), o, Kit{System: fakes(&all, nil)})
	if want := append(rival.SimpleNames(), "ranker"); err != nil || !slices.Equal(r.Order(), want) {
		t.Errorf("ran %v, want %v: %v", r, want, err)
	}
	o.Models, o.Out = []string{"sequence", "text", "text-sft"}, t.TempDir()
	_, err = Execute(t.Context(), o, Kit{System: fakes(&all, nil)})
	for _, want := range []string{"--models sequence: want another one in --mode delayed: a server answers with the whole ranker", "--models text: want another one in --mode delayed", "--models text-sft: want another one in --mode delayed"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	o.Models, o.Speed = nil, math.Inf(1)
	if _, err = Execute(t.Context(), o, Kit{}); err == nil || !strings.Contains(err.Error(), "--speed +Inf") {
		t.Errorf("got %v", err)
	}
	o.Models, o.Speed = []string{"ranker"}, 0
	if _, err = Execute(t.Context(), o, Kit{Open: newEcho}); err == nil || !strings.Contains(err.Error(), "--models [ranker]: nothing is left to run") {
		t.Errorf("got %v", err)
	}
}

// A fault of the application is the evaluation's, and nothing stays open.
func TestExecute_delayedFails(t *testing.T) {
	var all []*fakeSystem
	gone := errors.New("gone")
	_, err := Execute(t.Context(), delayedOptions(t, lines(1, 20), "ranker"), Kit{System: fakes(&all, gone)})
	if !errors.Is(err, gone) || len(all) != 1 || !all[0].closed {
		t.Errorf("got %v of %d applications", err, len(all))
	}
}

// The pace of the delayed mode is no setting of the synchronous one: its results stay what they are.
func TestExecute_speedIsOfTheDelayedMode(t *testing.T) {
	o := options(t, lines(1, 50))
	o.Models = []string{"popularity"}
	settings := map[string]bool{}
	for _, speed := range []float64{0, 7} {
		o.Speed, o.Out = speed, filepath.Join(t.TempDir(), "out")
		r, err := Execute(t.Context(), o, Kit{})
		if err != nil {
			t.Fatal(err)
		}
		settings[r.Settings] = true
	}
	if len(settings) != 1 {
		t.Errorf("settings %v", settings)
	}
}

func TestPace_waitsAndCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{speed: 10}
		began := time.Now()
		for _, step := range []struct {
			place    int
			busy     time.Duration // before it
			at, late time.Duration
		}{{0, 0, 0, 0}, {5, 0, 500 * time.Millisecond, 0}, {6, time.Second, 1500 * time.Millisecond, 900 * time.Millisecond},
			{10, 0, 1500 * time.Millisecond, 500 * time.Millisecond}, {20, 0, 2 * time.Second, 0}} {
			time.Sleep(step.busy)
			late, err := p.await(t.Context(), step.place)
			if got := time.Since(began); err != nil || got != step.at || late != step.late {
				t.Errorf("event %d at %s, %s late, want %s and %s: %v", step.place, got, late, step.at, step.late, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.await(ctx, 1000); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if late, err := (&pace{}).await(t.Context(), 1000); late != 0 || err != nil {
			t.Errorf("without a pace: %s, %v", late, err)
		}
	})
}

// A replay in which nothing tuned was heard says so: its figures are those of something else.
func TestUnheard(t *testing.T) {
	for _, c := range []struct {
		learner string
		live    evaluation.Live
		want    string
	}{
		{"counts", evaluation.Live{}, ""},
		{"sequence", evaluation.Live{}, "nothing that rounds had tuned was live"},
		{"sequence", evaluation.Live{Promoted: 1}, ""},
		{"text", evaluation.Live{TextReady: 9}, "nothing that rounds had tuned was live"},
		{"text", evaluation.Live{Promoted: 1, TextLate: 9}, "no answer had the language model's scores"},
		{"text", evaluation.Live{Promoted: 1, TextReady: 1, TextLate: 9}, ""},
	} {
		if got := unheard(c.learner, c.live); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("learner %s, %+v: %q", c.learner, c.live, got)
		}
	}
}
