package serve

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// fakeTexts reads a history as the name of its newest item, after the time each batch takes.
type fakeTexts struct {
	mu      sync.Mutex
	takes   time.Duration
	fail    error
	crash   bool
	held    chan struct{} // readings wait until it is closed; nil: they do not
	version atomic.Int64
	among   atomic.Int64
	hidden  map[string]bool // items without a title
	batches [][]string      // newest items of the histories of each batch
}

func (f *fakeTexts) Under(live *Live) string { return live.version() }

func (f *fakeTexts) Among() int64 { return f.among.Load() }

func (f *fakeTexts) Shown(history []schema.Interaction) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := fnv.New64a()
	shown := false
	for _, x := range history {
		if !f.hidden[x.ItemID] {
			_, _ = sum.Write([]byte(x.ItemID + "\x00"))
			shown = true
		}
	}
	if !shown {
		return 0
	}
	return sum.Sum64()
}

func (f *fakeTexts) Read(ctx context.Context, _ *Live, histories [][]schema.Interaction) ([]ranker.Reading, error) {
	f.mu.Lock()
	takes, fail, crash, held := f.takes, f.fail, f.crash, f.held
	f.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if crash {
		panic("bad tensor")
	}
	if fail != nil {
		return nil, fail
	}
	out := make([]ranker.Reading, len(histories))
	var batch []string
	for i, h := range histories {
		last := h[len(h)-1].ItemID
		batch = append(batch, last)
		if last != "untitled" {
			out[i] = last
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batches = append(f.batches, batch)
	return out, nil
}

func (f *fakeTexts) Version() int64 { return f.version.Load() }

func (f *fakeTexts) Score(ranker.Reading) *ranker.Text { return &ranker.Text{} }

func (f *fakeTexts) set(change func(*fakeTexts)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeTexts) read() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.batches)
}

// runningDesk starts the one worker of a desk for the length of the test's bubble.
func runningDesk(t *testing.T, f *fakeTexts, change ...func(*Config)) *desk {
	t.Helper()
	cfg := DefaultConfig()
	for _, c := range change {
		c(&cfg)
	}
	d, err := newDesk(f, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for batch := d.next(ctx); len(batch) > 0; batch = d.next(ctx) {
			_, _ = d.read(ctx, batch) // the tests look at what the desk makes of it
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return d
}

func clicks(items ...string) []schema.Interaction { return session(items, testStart) }

func userKey(user string, window int64) textKey {
	return textKey{user: user, window: window, under: "m1"}
}

func TestDesk_answersWithinTheBudgetOrSaysPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTexts{takes: 20 * time.Millisecond}
		d := runningDesk(t, f)
		ask := func(user string, window int64, last string) (ranker.Reading, schema.TextState, string, time.Duration) {
			began := time.Now()
			r, state, how := d.ask(t.Context(), userKey(user, window), &Live{}, clicks(last), time.Hour)
			return r, state, how, time.Since(began)
		}
		if r, state, how, _ := ask("anna", 1, "mug"); r != "mug" || state != schema.TextReady || how != textRead {
			t.Fatalf("within the budget: %v %v %v", r, state, how)
		}
		if r, _, how, took := ask("anna", 1, "mug"); r != "mug" || how != textCached || took != 0 {
			t.Fatalf("unchanged: %v %v after %s", r, how, took)
		}
		if r, state, how, _ := ask("ben", 1, "untitled"); r != nil || state != schema.TextNone || how != textRead && how != textNothing {
			t.Fatalf("without titles: %v %v %v", r, state, how)
		}
		f.set(func(f *fakeTexts) { f.takes = time.Second })
		r, state, how, took := ask("anna", 2, "lamp")
		if r != nil || state != schema.TextPending || how != textLate || took != 50*time.Millisecond {
			t.Fatalf("over the budget: %v %v %v after %s", r, state, how, took)
		}
		time.Sleep(2 * time.Second)
		if r, _, how, _ := ask("anna", 2, "lamp"); r != "lamp" || how != textCached {
			t.Fatalf("after it was read: %v %v", r, how)
		}
	})
}

func TestDesk_doesNotWaitAtAPaceThatCannotMakeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTexts{takes: time.Second}
		d := runningDesk(t, f)
		for i := range 6 {
			_, _, _ = d.ask(t.Context(), userKey("anna", int64(i)), &Live{}, clicks("mug"), time.Hour)
			time.Sleep(3 * time.Second)
		}
		began := time.Now()
		if _, state, _ := d.ask(t.Context(), userKey("ben", 1), &Live{}, clicks("lamp"), time.Hour); state != schema.TextPending || time.Since(began) != 0 {
			t.Errorf("state %v after %s, want pending at once", state, time.Since(began))
		}
		f.set(func(f *fakeTexts) { f.takes = time.Millisecond })
		for i := range 12 { // what is read in the background shows that it is fast again
			_, _, _ = d.ask(t.Context(), userKey("cleo", int64(i)), &Live{}, clicks("clock"), time.Hour)
			time.Sleep(3 * time.Second)
		}
		if _, state, _ := d.ask(t.Context(), userKey("ben", 2), &Live{}, clicks("lamp"), time.Hour); state != schema.TextReady {
			t.Errorf("state %v once the model is fast again", state)
		}
	})
}

// While one batch runs, a user clicks on and others come: the newest windows are read, newest first, the overtaken one never.
func TestDesk_newestFirstOnePerUserBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTexts{takes: time.Second}
		d := runningDesk(t, f, func(c *Config) { c.AnswerBudget, c.TextQueue, c.TextBatch = 0, 3, 1 })
		ask := func(user string, window int64, last string) {
			t.Helper()
			if _, state, _ := d.ask(t.Context(), userKey(user, window), &Live{}, clicks(last), time.Hour); state != schema.TextPending {
				t.Fatalf("state %v without a budget", state)
			}
			synctest.Wait()
		}
		ask("first", 1, "first")
		ask("anna", 1, "old") // overtaken
		ask("ben", 1, "ben")  // dropped: the oldest of four
		ask("cleo", 1, "cleo")
		ask("anna", 2, "new")
		ask("anna", 2, "new") // the same again
		ask("dora", 1, "dora")
		time.Sleep(time.Minute)
		synctest.Wait()
		want := [][]string{{"first"}, {"dora"}, {"new"}, {"cleo"}}
		if got := f.read(); !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("read %v, want %v", got, want)
		}
		if d.dropped.Load() != 1 || d.queued() != 0 {
			t.Errorf("dropped %d, waiting %d", d.dropped.Load(), d.queued())
		}
	})
}

func TestDesk_readsOneModelsHistoriesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTexts{takes: time.Second}
		d := runningDesk(t, f, func(c *Config) { c.AnswerBudget, c.TextBatch = 0, 4 })
		for i, model := range []string{"m0", "m1", "m1", "m2", "m2", "m2"} {
			_, _, _ = d.ask(t.Context(), textKey{user: fmt.Sprint(i), under: model}, &Live{}, clicks(fmt.Sprint(model, i)), time.Hour)
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want := [][]string{{"m00"}, {"m25", "m24", "m23"}, {"m12", "m11"}}
		if got := f.read(); !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("read %v, want %v", got, want)
		}
	})
}

func TestDesk_faultsLetRequestsGoAndAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTexts{fail: errors.New("out of memory")}
		d := runningDesk(t, f)
		for _, crash := range []bool{false, true} {
			f.set(func(f *fakeTexts) { f.crash = crash })
			began := time.Now()
			if _, state, _ := d.ask(t.Context(), userKey("anna", 1), &Live{}, clicks("mug"), time.Hour); state != schema.TextNone || time.Since(began) != 0 {
				t.Errorf("crash %v: state %v after %s", crash, state, time.Since(began))
			}
		}
		f.set(func(f *fakeTexts) { f.fail, f.crash = nil, false })
		if r, _, _ := d.ask(t.Context(), userKey("anna", 1), &Live{}, clicks("mug"), time.Hour); r != "mug" {
			t.Errorf("read %v after the faults", r)
		}
		if d.failures.Load() != 2 {
			t.Errorf("%d failures, want 2", d.failures.Load())
		}
	})
}

// A reading that takes longer than titles take to come is used all the same, and made anew beside the answers: it once was never there in time,
// as every new title made it one of another name.
func TestDesk_titlesThatComeAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTexts{takes: 400 * time.Millisecond}
		d := runningDesk(t, f)
		anna := userKey("anna", 1)
		ask := func() (ranker.Reading, schema.TextState, string) {
			return d.ask(t.Context(), anna, &Live{}, clicks("mug"), time.Hour)
		}
		ask()
		for i := range 10 {
			time.Sleep(300 * time.Millisecond)
			f.among.Add(1)
			began := time.Now()
			if r, state, how := ask(); i > 0 && (r != "mug" || state != schema.TextReady || how != textOlder || time.Since(began) != 0) {
				t.Errorf("after title %d: %v, %s, %s, in %s", i, r, state, how, time.Since(began))
			}
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if _, _, how := ask(); how != textCached {
			t.Errorf("when no title comes any more the reading is %s", how)
		}
		if n := len(f.read()); n > 10 {
			t.Errorf("%d batches for 11 questions about one window", n)
		}
	})
}

// A request that has read its window before the user clicked on does not push out the newer window, nor let go who waits for it.
func TestDesk_anOlderWindowComesLate(t *testing.T) {
	d, err := newDesk(&fakeTexts{}, DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	newer, _ := d.enqueue(userKey("anna", 6), &Live{}, clicks("mug", "lamp"), time.Hour)
	if _, worth := d.enqueue(userKey("anna", 5), &Live{}, clicks("mug"), time.Hour); worth {
		t.Error("waits for a window that nobody reads")
	}
	select {
	case <-newer.done:
		t.Error("the newer window was let go")
	default:
	}
	if batch := d.take(); len(batch) != 1 || batch[0] != newer {
		t.Errorf("%d histories are read, want the newer one", len(batch))
	}
}

func TestDesk_manyRequestsForOneWindowReadItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTexts{takes: 10 * time.Millisecond}
		d := runningDesk(t, f)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if r, _, _ := d.ask(t.Context(), userKey("anna", 1), &Live{}, clicks("mug"), time.Hour); r != "mug" {
					t.Errorf("read %v", r)
				}
			})
		}
		wg.Wait()
		if len(f.read()) != 1 {
			t.Errorf("%d batches, want 1", len(f.read()))
		}
	})
}

// One slow batch, such as one that compiles, must not keep requests from waiting for the fast ones after it.
func TestDesk_oneSlowBatchIsForgivenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTexts{takes: time.Millisecond}
		d := runningDesk(t, f)
		window := int64(0)
		ask := func() schema.TextState {
			window++
			_, state, _ := d.ask(t.Context(), userKey("anna", window), &Live{}, clicks("mug"), time.Hour)
			time.Sleep(3 * time.Second)
			return state
		}
		for range 3 {
			_ = ask()
		}
		f.set(func(f *fakeTexts) { f.takes = time.Second })
		if state := ask(); state != schema.TextPending {
			t.Fatalf("a slow batch: %v", state)
		}
		f.set(func(f *fakeTexts) { f.takes = time.Millisecond })
		if state := ask(); state != schema.TextReady {
			t.Errorf("the batch after the slow one: %v", state)
		}
		f.set(func(f *fakeTexts) { f.takes = time.Second })
		for range 5 {
			_ = ask()
		}
		f.set(func(f *fakeTexts) { f.takes = time.Millisecond })
		trusted := 1
		for ask() != schema.TextReady {
			trusted++
		}
		if trusted > 4 {
			t.Errorf("after a slow spell request %d was waited for, want the fourth at the latest", trusted)
		}
	})
}

// What is kept of a session does not grow with it: anybody may ask for sessions.
func TestSessionKey_isShortAndTellsSessionsApart(t *testing.T) {
	long := make([]string, schema.MaxSessionItems)
	for i := range long {
		long[i] = fmt.Sprintf("%0*d", schema.MaxIDLen, i)
	}
	if n := len(sessionKey(long).user); n > 64 {
		t.Errorf("the key of a long session takes %d bytes, want at most 64", n)
	}
	if sessionKey([]string{"a", "b"}) == sessionKey([]string{"b", "a"}) || sessionKey([]string{"a", "b"}) == sessionKey([]string{"ab"}) {
		t.Error("different sessions share a key")
	}
	if sessionKey(long) != sessionKey(slices.Clone(long)) {
		t.Error("one session has two keys")
	}
}

// naming is a reading that names an item which is not in the history.
type naming string

func (n naming) Names(is func(item string) bool) bool { return is(string(n)) }

// Of many readings, withdrawn items take along those that have something of them, and of the queue the histories with one.
func TestDesk_withdrawnItemsTakeTheirReadingsAlong(t *testing.T) {
	f := &fakeTexts{}
	d, err := newDesk(f, DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	histories := map[string][]string{"anna": {"mug", "lamp"}, "ben": {"lamp", "mug", "lamp"}, "cleo": {"clock"}, "dora": {"clock", "chair"}}
	for user, items := range histories {
		d.enqueue(userKey(user, 1), &Live{}, clicks(items...), time.Hour)
		if _, err := d.read(t.Context(), d.take()); err != nil {
			t.Fatal(err)
		}
	}
	d.readings.Add(userKey("emil", 1), kept{reading: naming("mug"), items: []uint32{markOf("clock")}})
	d.readings.Add(userKey("fred", 1), kept{reading: naming("lamp"), items: []uint32{markOf("clock")}})
	for user, items := range histories {
		d.enqueue(userKey(user, 2), &Live{}, clicks(append(items, "sofa")...), time.Hour)
	}
	d.forgetItems([]string{"mug", "nothing"})
	left, waits := []string{}, []string{}
	for _, k := range d.readings.Keys() {
		left = append(left, k.user)
	}
	for _, j := range d.waiting {
		waits = append(waits, j.key.user)
	}
	slices.Sort(left)
	slices.Sort(waits)
	if !slices.Equal(left, []string{"cleo", "dora", "fred"}) || !slices.Equal(waits, []string{"cleo", "dora"}) {
		t.Errorf("readings of %v are left and %v wait", left, waits)
	}
}

// during is a model that is interrupted while it reads.
type during struct {
	*fakeTexts
	reads func() ([]ranker.Reading, error)
}

func (d during) Read(context.Context, *Live, [][]schema.Interaction) ([]ranker.Reading, error) {
	return d.reads()
}

// A reading that is being made while its user or an item of it is forgotten is not kept, however long it takes: deletions are
// confirmed after two looks, which a slow run of the model outlives.
func TestDesk_forgetsWhatIsBeingRead(t *testing.T) {
	for name, c := range map[string]struct {
		forget  func(d *desk)
		reading ranker.Reading
		kept    bool
	}{
		"the user":                  {func(d *desk) { d.forget(crowdOf([]schema.Deletion{{UserID: "anna"}})) }, "r", false},
		"everybody":                 {func(d *desk) { d.forget(crowd{everybody: true}) }, "r", false},
		"another user":              {func(d *desk) { d.forget(crowdOf([]schema.Deletion{{UserID: "ben"}})) }, "r", true},
		"an item of the history":    {func(d *desk) { d.forgetItems([]string{"mug"}) }, "r", false},
		"an item the reading names": {func(d *desk) { d.forgetItems([]string{"lamp"}) }, naming("lamp"), false},
		"another item":              {func(d *desk) { d.forgetItems([]string{"sofa"}) }, naming("lamp"), true},
	} {
		t.Run(name, func(t *testing.T) {
			var d *desk
			texts := during{&fakeTexts{}, func() ([]ranker.Reading, error) {
				c.forget(d)
				return []ranker.Reading{c.reading}, nil
			}}
			d, err := newDesk(texts, DefaultConfig())
			if err != nil {
				t.Fatal(err)
			}
			d.enqueue(userKey("anna", 1), &Live{}, clicks("mug"), time.Hour)
			if _, err := d.read(t.Context(), d.take()); err != nil {
				t.Fatal(err)
			}
			if got := d.readings.Len() == 1; got != c.kept {
				t.Errorf("kept: %v, want %v", got, c.kept)
			}
			// The next reading has nothing to do with it.
			d.texts = during{texts.fakeTexts, func() ([]ranker.Reading, error) { return []ranker.Reading{naming("lamp")}, nil }}
			key := userKey("anna", 2)
			d.enqueue(key, &Live{}, clicks("mug"), time.Hour)
			if _, err := d.read(t.Context(), d.take()); err != nil || !d.readings.Contains(key) {
				t.Errorf("the next reading is not kept: %v", err)
			}
		})
	}
}
