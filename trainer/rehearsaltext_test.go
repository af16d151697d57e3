package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// parts is a log of users who go through a series of their own, a part at a time. What comes after the first keep is drawn by another seed.
func parts(later uint64, n, keep int) [][]schema.Event {
	rng, now := rand.New(rand.NewPCG(1, 5)), time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	part := make([]int, 20)
	var out [][]schema.Event
	for i := range n {
		if i == keep {
			rng = rand.New(rand.NewPCG(later, 6))
		}
		now = now.Add(time.Minute)
		u := rng.IntN(len(part))
		part[u] += 1 + rng.IntN(5)/4
		out = append(out, []schema.Event{{EventID: fmt.Sprint(i), UserID: fmt.Sprint("u", u), ItemID: fmt.Sprintf("s%d-%d", u, part[u]), Type: "view", Timestamp: now}})
	}
	return out
}

// adapters answers every round with another adapter, which the oracle knows more with.
type adapters struct {
	t     *testing.T
	tasks []Task
}

func (a *adapters) Tune(_ context.Context, task Task, _ *schema.Round) (Network, error) {
	a.tasks = append(a.tasks, task)
	return Network{Adapter: adapter(a.t, uint64(len(a.tasks)))}, nil
}

func recite(t *testing.T, o *oracle, tuner Tuner, plain bool, log [][]schema.Event) (*Rehearsal, [][]ranker.Scored) {
	t.Helper()
	return ranked(t, RehearsalOptions{Tuner: tuner, Text: o, TextAlone: true, Plain: plain}, log)
}

// ranked plays a log to a rehearsal of the text learner.
func ranked(t *testing.T, o RehearsalOptions, log [][]schema.Event) (*Rehearsal, [][]ranker.Scored) {
	t.Helper()
	cfg := rehearsalConfig()
	cfg.Learner, cfg.Text.Sequence = LearnerText, false
	r, err := NewRehearsal(cfg, window.Rules{Len: 40, Lateness: time.Hour}, o)
	if err != nil {
		t.Fatal(err)
	}
	var lists [][]ranker.Scored
	for _, basket := range log {
		list, err := r.Rank(t.Context(), Ask{User: basket[0].UserID, At: basket[0].Timestamp, N: 10})
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, list)
		if err := r.Learn(t.Context(), basket); err != nil {
			t.Fatal(err)
		}
	}
	return r, lists
}

// first counts the lists from some question on whose first item is what came next.
func first(lists [][]ranker.Scored, log [][]schema.Event, from, to int) (hits int) {
	for i := from; i < to; i++ {
		if len(lists[i]) > 0 && lists[i][0].Item == log[i][0].ItemID {
			hits++
		}
	}
	return hits
}

// The language model alone answers by the window's titles, and by the adapter of a round once that is better.
func TestRehearsal_languageModelAlone(t *testing.T) {
	log := parts(2, 1000, 1000)
	for _, plain := range []bool{false, true} {
		tuner := &adapters{t: t}
		r, lists := recite(t, newOracle(20, 200), tuner, plain, log)
		before, after := first(lists, log, 0, 400), first(lists, log, 600, 1000)
		if len(tuner.tasks) != 2 || tuner.tasks[0].Live.Adapter != nil || tuner.tasks[1].Live.Adapter == nil || tuner.tasks[0].Text == nil || tuner.tasks[0].Train != nil ||
			tuner.tasks[0].Plain != plain {
			t.Fatalf("%d tasks, the first %+v", len(tuner.tasks), tuner.tasks[0])
		}
		if before < 100 || before > 250 || after < 300 {
			t.Errorf("finds %d of 400 untuned, %d tuned", before, after)
		}
		if rounds := r.Rounds(); rounds[0].Verdict != schema.VerdictPromoted || r.Age() <= 0 {
			t.Errorf("rounds %+v, age %d", rounds, r.Age())
		}
		for i, list := range lists {
			if !slices.IsSortedFunc(list, func(a, b ranker.Scored) int { return int(1000 * (b.Score - a.Score)) }) || len(list) > 10 {
				t.Fatalf("list %d: %v", i, list)
			}
		}
	}
}

// In the ranker the language model's score is part of the mixing model: it finds what nobody has clicked yet, better with the adapter of a
// round, and reads each window once for the question and the basket that answers it.
func TestRehearsal_languageModelInTheRanker(t *testing.T) {
	slow(t)
	log := parts(2, 1000, 1000)
	single := 0
	o := newOracle(20, 200)
	o.fails = func(_ *lora.Adapter, histories [][]schema.Interaction) error {
		if len(histories) == 1 {
			single++
		}
		return nil
	}
	tuner := &adapters{t: t}
	r, lists := ranked(t, RehearsalOptions{Tuner: tuner, Text: o}, log)
	early, late := first(lists, log, 0, 400), first(lists, log, 700, 1000)
	if early < 60 || early > 250 || late < 200 {
		t.Errorf("finds %d of 400 untuned, %d of 300 tuned", early, late)
	}
	if len(tuner.tasks) != 2 || tuner.tasks[0].Text == nil || tuner.tasks[0].Train != nil || r.state.Network.Adapter == nil || r.Age() <= 0 {
		t.Errorf("%d tasks, adapter %v, age %d", len(tuner.tasks), r.state.Network.Adapter, r.Age())
	}
	if cases := r.online.Report().Cases; cases < 300 {
		t.Errorf("the mixing model has learnt of %d baskets", cases)
	}
	if single == 0 || single > len(log) {
		t.Errorf("%d windows read for %d baskets", single, len(log))
	}
	if err := r.Freeze(); err != nil {
		t.Fatal(err)
	}
	ask := Ask{User: log[999][0].UserID, At: log[999][0].Timestamp, N: 3}
	list, err := r.Rank(t.Context(), ask)
	if err != nil || len(list) == 0 || list[0].Source != schema.SourceText {
		t.Errorf("frozen: %+v, %v", list, err)
	}
	o.set(func(o *oracle) { o.err = errors.New("out of memory") })
	r.read = reread{}
	if _, err := r.Rank(t.Context(), ask); err == nil || !strings.Contains(err.Error(), ask.User) || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("got %v", err)
	}
}

// What comes later must not change an answer of the ranker with a language model by a bit.
func TestRehearsal_rankerWithTextDoesNotKnowTheFuture(t *testing.T) {
	slow(t)
	const n, keep = 700, 450
	log, other := parts(2, n, keep), parts(3, n, keep)
	_, a := ranked(t, RehearsalOptions{Tuner: &adapters{t: t}, Text: newOracle(20, 200)}, log)
	_, b := ranked(t, RehearsalOptions{Tuner: &adapters{t: t}, Text: newOracle(20, 200)}, other)
	same := func(x, y ranker.Scored) bool { return x.Item == y.Item && x.Score == y.Score }
	for i := range keep + 1 {
		if log[i][0].UserID == other[i][0].UserID && !slices.EqualFunc(a[i], b[i], same) {
			t.Fatalf("answer %d knows what came after it", i)
		}
	}
}

// shelved is an oracle that knows of no item before it is told of it.
type shelved struct {
	*oracle
	r     *Rehearsal
	shown map[string]bool
	early int // items it spoke of that no basket had shown
}

func (s *shelved) Score(reading ranker.Reading) *ranker.Text {
	text := s.oracle.Score(reading)
	for row, id := range text.IDs {
		if !s.shown[id] {
			text.LogProbs[row] = float32(math.Inf(-1))
		} else if _, learnt := s.r.collector.vocab.Lookup(id); !learnt {
			s.early++
		}
	}
	return text
}

// Neither a question nor the mixing model is shown titles of the basket that answers: all that has a title and no interaction would be what
// comes next, and the mixing model would learn just that.
func TestRehearsal_titlesComeWithTheirBasket(t *testing.T) {
	cfg := rehearsalConfig()
	cfg.Learner, cfg.Text.Sequence = LearnerText, false
	s := &shelved{oracle: newOracle(20, 200), shown: map[string]bool{}}
	var pending string
	told := func(context.Context) error { s.shown[pending] = true; return nil }
	var err error
	if s.r, err = NewRehearsal(cfg, window.Rules{Len: 40, Lateness: time.Hour}, RehearsalOptions{Text: s, Told: told}); err != nil {
		t.Fatal(err)
	}
	for _, basket := range parts(2, 120, 120) {
		pending = basket[0].ItemID
		if _, err := s.r.Rank(t.Context(), Ask{User: basket[0].UserID, At: basket[0].Timestamp, N: 10}); err != nil {
			t.Fatal(err)
		}
		if err := s.r.Learn(t.Context(), basket); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.shown) < 100 || s.early > 0 {
		t.Errorf("told of %d items, spoke of one too early %d times", len(s.shown), s.early)
	}
	s.r.told = func(context.Context) error { return errors.New("out of memory") }
	last := parts(2, 121, 121)[120]
	if err := s.r.Learn(t.Context(), last); err == nil || !strings.Contains(err.Error(), last[0].UserID) || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("got %v", err)
	}
}

// A language model belongs to the text learner.
func TestNewRehearsal_refusesWhatDoesNotGoTogether(t *testing.T) {
	text := rehearsalConfig()
	text.Learner = LearnerText
	for name, x := range map[string]struct {
		cfg Config
		o   RehearsalOptions
	}{
		"no model": {text, RehearsalOptions{}}, "another learner": {rehearsalConfig(), RehearsalOptions{Text: newOracle(1, 1)}},
		"alone without": {rehearsalConfig(), RehearsalOptions{TextAlone: true}},
	} {
		if _, err := NewRehearsal(x.cfg, window.DefaultRules(), x.o); err == nil || !strings.Contains(err.Error(), x.cfg.Learner) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An adapter that finds less than the untuned model does not answer.
func TestRehearsal_keepsTheBetterAdapter(t *testing.T) {
	o := newOracle(20, 200)
	o.knows = func(a *lora.Adapter, part int) bool { return a == nil }
	r, _ := recite(t, o, &adapters{t: t}, false, parts(2, 500, 500))
	if rounds := r.Rounds(); len(rounds) != 1 || rounds[0].Verdict != schema.VerdictRefused || r.state.Network.Adapter != nil {
		t.Errorf("rounds %+v, adapter %v", rounds, r.state.Network.Adapter)
	}
}

// What comes later must not change an answer by a bit.
func TestRehearsal_languageModelDoesNotKnowTheFuture(t *testing.T) {
	const n, keep = 700, 450
	log := parts(2, n, keep)
	_, a := recite(t, newOracle(20, 200), &adapters{t: t}, false, log)
	_, b := recite(t, newOracle(20, 200), &adapters{t: t}, false, parts(3, n, keep))
	same := func(x, y ranker.Scored) bool { return x.Item == y.Item && x.Score == y.Score }
	for i := range keep + 1 {
		if log[i][0].UserID == parts(3, n, keep)[i][0].UserID && !slices.EqualFunc(a[i], b[i], same) {
			t.Fatalf("answer %d knows what came after it", i)
		}
	}
}

// What is not allowed, and what the window shows where that is filtered, is in no list.
func TestRehearsal_languageModelLeavesOut(t *testing.T) {
	r, _ := recite(t, newOracle(20, 200), nil, false, parts(2, 200, 200))
	ask := Ask{User: "u3", N: 100_000, Allow: func(item string) bool { return item != "s3-1" }}
	whole, err := r.Rank(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	r.filter = true
	filtered, err := r.Rank(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	had := map[string]bool{}
	for _, x := range r.window("u3") {
		had[x.ItemID] = true
	}
	for _, s := range filtered {
		if had[s.Item] || s.Item == "s3-1" {
			t.Errorf("%s is in the list", s.Item)
		}
	}
	if len(whole) <= len(filtered) || len(filtered) == 0 {
		t.Errorf("%d items, %d without the window's", len(whole), len(filtered))
	}
	if list, err := r.Rank(t.Context(), Ask{User: "nobody", N: 10}); err != nil || len(list) != 0 {
		t.Errorf("for nobody: %v, %v", list, err)
	}
}

// trainer.plain makes every round plain.
func TestRounds_plainBySetting(t *testing.T) {
	cfg := rehearsalConfig()
	cfg.Learner, cfg.Text.Sequence, cfg.Plain = LearnerText, false, true
	tuner := &adapters{t: t}
	r, err := NewRehearsal(cfg, window.Rules{Len: 40, Lateness: time.Hour}, RehearsalOptions{Tuner: tuner, Text: newOracle(20, 200), TextAlone: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, basket := range parts(2, 1000, 1000) {
		if err := r.Learn(t.Context(), basket); err != nil {
			t.Fatal(err)
		}
	}
	if len(tuner.tasks) == 0 || slices.ContainsFunc(tuner.tasks, func(task Task) bool { return !task.Plain }) {
		t.Errorf("tasks %+v", tuner.tasks)
	}
}
