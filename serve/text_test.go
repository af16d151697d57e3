package serve

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
)

// reading has the language model read what waits until the test ends.
func (st *stack) reading() {
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { st.s.readTexts(ctx) })
	st.t.Cleanup(func() { stop(); group.Wait() })
}

// The language model's part of an answer is in time or says that it is not, and a later request finds it.
func TestRecommend_textIsReadyOrPending(t *testing.T) {
	f := &fakeTexts{}
	st := newStack(t, func(c *Config, d *Deps) { d.Texts, c.AnswerBudget = f, time.Minute })
	st.stock(8).model("m1", names(4)...)
	st.reading()
	state := func() schema.TextState { return st.recommend("/v1/recommend/anna?n=3").Text }
	if got := state(); got != schema.TextNone {
		t.Errorf("an empty window: text %q", got)
	}
	st.click("anna", "i001")
	if got := state(); got != schema.TextReady {
		t.Errorf("within the budget: text %q", got)
	}
	// Without a budget a request still finds a reading that was made by the time it looks, so these are held back.
	held := make(chan struct{})
	f.set(func(f *fakeTexts) { f.held = held })
	st.s.desk.budget = 0
	st.click("anna", "i002")
	if got := state(); got != schema.TextPending {
		t.Errorf("over the budget: text %q", got)
	}
	close(held)
	eventually(t, "the reading comes", func() bool { return state() == schema.TextReady })
	held = make(chan struct{})
	defer func() { close(held) }()
	f.set(func(f *fakeTexts) { f.held = held })
	session := into[schema.Answer](t, st.do("POST", "/v1/session/recommend", `{"items":["i003"]}`), 200)
	if session.Text != schema.TextPending {
		t.Errorf("a session: text %q", session.Text)
	}
}

// An item that is withdrawn emptied the readings of everybody, twice, and the queue.
func TestForget_aWithdrawnItemKeepsOtherReadings(t *testing.T) {
	f := &fakeTexts{}
	st := newStack(t, func(c *Config, d *Deps) { d.Texts, c.AnswerBudget = f, 5*time.Second })
	st.stock(8).model("m1", names(4)...)
	st.reading()
	st.click("anna", "i001")
	st.click("ben", "i002")
	for _, user := range []string{"anna", "ben"} {
		if got := st.recommend("/v1/recommend/" + user).Text; got != schema.TextReady {
			t.Fatalf("%s: text %q", user, got)
		}
	}
	into[ItemChange](t, st.do("DELETE", "/v1/items/i001", ""), 200)
	for range 2 {
		if err := st.s.forget(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	users := []string{}
	for _, k := range st.s.desk.readings.Keys() {
		users = append(users, k.user)
	}
	if !slices.Equal(users, []string{"ben"}) {
		t.Errorf("readings of %v are left, want ben's, which has nothing of the item", users)
	}
}

// readingShop has a language model that reads what waits, with time to, and a window of anna's.
func readingShop(t *testing.T) (*stack, *fakeTexts) {
	t.Helper()
	f := &fakeTexts{}
	st := newStack(t, func(c *Config, d *Deps) { d.Texts, c.AnswerBudget = f, time.Minute })
	st.stock(8).model("m1", names(4)...)
	st.reading()
	st.click("anna", "i001")
	return st, f
}

// A list of a reading from before the newest titles is an answer, and is not kept: it is made anew when the reading is.
func TestRecommend_anOlderReadingsListIsNotKept(t *testing.T) {
	st, f := readingShop(t)
	ask := func() schema.TextState { return st.recommend("/v1/recommend/anna?n=3").Text }
	ask()
	held := make(chan struct{})
	f.set(func(f *fakeTexts) { f.held = held })
	f.among.Add(1)
	f.version.Add(1)
	for range 3 {
		if got := ask(); got != schema.TextReady {
			t.Errorf("text %q", got)
		}
	}
	if hits := st.s.cache.hits.Load(); hits != 0 {
		t.Errorf("%d cache hits of lists that were out of date when they were made", hits)
	}
	close(held)
	eventually(t, "the newer reading's list is kept", func() bool { ask(); return st.s.cache.hits.Load() > 0 })
}

func TestRecommend_withoutALanguageModelSaysNothingOfIt(t *testing.T) {
	st := newStack(t).stock(8).model("m1", names(4)...)
	if a := st.recommend("/v1/recommend/anna?n=3"); a.Text != "" {
		t.Errorf("text %q", a.Text)
	}
}

// A title may be read after the catalogue's version moved: a list from before must not be kept.
func TestRecommend_aNewTitleMakesTextListsAnew(t *testing.T) {
	st, f := readingShop(t)
	for range 2 {
		st.recommend("/v1/recommend/anna?n=3")
	}
	if hits := st.s.cache.hits.Load(); hits != 1 {
		t.Fatalf("%d cache hits, want 1", hits)
	}
	f.version.Add(1)
	st.recommend("/v1/recommend/anna?n=3")
	if hits := st.s.cache.hits.Load(); hits != 1 {
		t.Errorf("%d cache hits after a new title, want 1", hits)
	}
}

// The title of what a user has clicked may come after the click, of one item or of all: what was read without it must not be
// kept for the window's life.
func TestRecommend_aTitleThatComesIsReadAtTheNextRequest(t *testing.T) {
	f := &fakeTexts{hidden: map[string]bool{"i001": true, "i002": true}}
	st := newStack(t, func(c *Config, d *Deps) { d.Texts, c.AnswerBudget = f, time.Minute })
	st.stock(8).model("m1", names(4)...)
	st.reading()
	st.click("anna", "i001")
	st.click("anna", "i002")
	for _, step := range []struct {
		comes string
		state schema.TextState
		reads int
	}{{"", schema.TextNone, 0}, {"i001", schema.TextReady, 1}, {"", schema.TextReady, 1}, {"i002", schema.TextReady, 2}, {"elsewhere", schema.TextReady, 2}} {
		if step.comes != "" {
			f.set(func(f *fakeTexts) { delete(f.hidden, step.comes) })
			f.version.Add(1)
		}
		if got := st.recommend("/v1/recommend/anna?n=3").Text; got != step.state || len(f.read()) != step.reads {
			t.Errorf("after the title of %q: text %q and %d readings, want %q and %d", step.comes, got, len(f.read()), step.state, step.reads)
		}
	}
}

// textRanker is a model whose mixture reads text.
type textRanker struct{ fakeRanker }

func (*textRanker) ReadsText() bool { return true }

func TestModels_warnOfAModelWhoseLanguageModelIsNotHere(t *testing.T) {
	for _, has := range []bool{false, true} {
		st := newStack(t, func(_ *Config, d *Deps) {
			d.Decode = func(context.Context, map[string][]byte) (Ranker, error) { return &textRanker{}, nil }
			if has {
				d.Texts = &fakeTexts{}
			}
		})
		st.model("m1", names(2)...)
		if warned := strings.Contains(st.logs.String(), "language model that this server does not have"); warned == has {
			t.Errorf("with a language model %v: warned %v", has, warned)
		}
	}
}
