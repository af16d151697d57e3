package serve

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/access"
	"github.com/softrec/softrec/serve/rules"
)

// roundTrips counts what a client sends, commands and pipelines alike.
type roundTrips struct{ n atomic.Int64 }

func (r *roundTrips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { r.n.Add(1); return next(ctx, cmd) }
}

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { r.n.Add(1); return next(ctx, cmds) }
}

func TestBatch_isManyOfOne(t *testing.T) {
	st := shop(t, 60)
	var users []string
	for i := range 40 {
		user := fmt.Sprint("u", i)
		users = append(users, `"`+user+`"`)
		for j := range i % 4 {
			st.click(user, fmt.Sprintf("i%03d", (i+7*j)%60))
		}
	}
	trips := &roundTrips{}
	st.rdb.AddHook(trips)
	body := `{"users":[` + strings.Join(users, ",") + `],"filter":"in_stock","n":7,"requests":[{"user":"u1","n":3},{"user":"u2","pins":[{"item":"i055","position":1}]}]}`
	st.recommend("/v1/recommend/u1") // connects, and follows the catalogue and the numbers of items
	trips.n.Store(0)
	got := into[BatchResult](t, st.do("POST", "/v1/recommend:batch", body), 200)
	if len(got.Results) != 42 {
		t.Fatalf("%d results", len(got.Results))
	}
	if n := trips.n.Load(); n != 1 {
		t.Errorf("%d round trips, want 1", n)
	}
	seen := map[string]bool{}
	for i, r := range got.Results {
		path, own := fmt.Sprintf("/v1/recommend/u%d", i), `{"filter":"in_stock","n":7}`
		switch i {
		case 40:
			path, own = "/v1/recommend/u1", `{"n":3}`
		case 41:
			path, own = "/v1/recommend/u2", `{"pins":[{"item":"i055","position":1}]}`
		}
		alone := into[schema.Answer](t, st.do("POST", path, own), 200)
		if r.Answer == nil || r.Error != nil || !slices.Equal(ids(*r.Answer), ids(alone)) || r.Answer.WindowOffset != alone.WindowOffset || !strings.HasSuffix(path, "/"+r.User) {
			t.Fatalf("result %d: %+v, alone %v", i, r, ids(alone))
		}
		if seen[r.Answer.RecommendationID] {
			t.Error("two answers share an id")
		}
		seen[r.Answer.RecommendationID] = true
	}
}

func TestBatch_faultsStayWithTheirUser(t *testing.T) {
	st := shop(t, 20)
	got := into[BatchResult](t, st.do("POST", "/v1/recommend:batch", `{"users":["u",""],"requests":[{"user":"v","filter":"("},{"user":"w","n":0},{"user":"x"}]}`), 200)
	for i, bad := range []bool{false, true, true, true, false} {
		r := got.Results[i]
		if (r.Error != nil) != bad || (r.Answer == nil) != bad || bad && r.Error.Status != 422 {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	for body, code := range map[string]int{`{}`: 422, `{"users":[]}`: 422, `[]`: 400, `{"user":["a"]}`: 400, `{"users":[` + strings.Repeat(`"u",`, maxBatchUsers) + `"u"]}`: 422, `{"users":["u"]`: 400} {
		if r := st.do("POST", "/v1/recommend:batch", body); r.Code != code {
			t.Errorf("%.40s: status %d, want %d: %s", body, r.Code, code, r.Body)
		}
	}
	st.mr.SetError("away")
	for _, r := range into[BatchResult](t, st.do("POST", "/v1/recommend:batch", `{"users":["u","v"]}`), 200).Results {
		if r.Answer == nil || r.Answer.Degraded == "" || len(r.Answer.Items) != 10 {
			t.Errorf("without redis: %+v", r)
		}
	}
	st.mr.SetError("")
}

func TestBatch_panicIsContained(t *testing.T) {
	st := shop(t, 20)
	st.s.Live().Ranker.(*fakeRanker).delay = func() { panic("boom") }
	got := into[BatchResult](t, st.do("POST", "/v1/recommend:batch", `{"users":["u"]}`), 200)
	if e := got.Results[0].Error; e == nil || e.Status != 500 || strings.Contains(e.Detail, "boom") {
		t.Errorf("%+v", got.Results[0])
	}
}

// Every list of a batch counts against the key's rate, and a batch that is larger than the burst is answered when the allowance is full.
func TestBatch_countsAsItsLists(t *testing.T) {
	change, keys := keyed(t, access.Key{Name: "shop", Scopes: []access.Scope{access.Read}, Rate: 0.5, Burst: 4}, eachScope()[0])
	st := newStack(t, change).stock(3).refresh()
	batch := func(n int) reply {
		return st.do("POST", batchPath, `{"users":["u"`+strings.Repeat(`,"u"`, n-1)+`]}`, "X-API-Key", keys[0])
	}
	if got := into[BatchResult](t, batch(3), 200); len(got.Results) != 3 {
		t.Errorf("%+v", got)
	}
	r := batch(2)
	if r.Code != 429 || r.Header.Get("Retry-After") != "2" || r.Header.Get("Content-Type") != problemType || !strings.Contains(string(r.Body), "rate of 0.5") {
		t.Errorf("status %d, %v: %s", r.Code, r.Header, r.Body)
	}
	if r := st.do("GET", "/v1/popular", "", "X-API-Key", keys[0]); r.Code != 200 {
		t.Errorf("the refusal cost something: status %d", r.Code)
	}
	st.advance(9 * time.Second)
	into[BatchResult](t, batch(14), 200)
	if r := st.do("GET", "/v1/popular", "", "X-API-Key", keys[0]); r.Code != 429 || r.Header.Get("Retry-After") != "22" {
		t.Errorf("ten are owed: status %d, %v", r.Code, r.Header)
	}
	st.wantMetric(`softrec_access_limited_total{key="shop"} 2`, "X-API-Key", keys[1])
}

// A batch is worked at on as many places as it got, and gives them back.
func TestBatch_takesPlaces(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one processor works at one list at once")
	}
	for places, want := range map[int]int64{1: 1, 2: 2} {
		st := newStack(t, func(c *Config, _ *Deps) { c.Shed.Least, c.Shed.Most = places, places }).stock(3).model("v1", names(3)...)
		var now, most atomic.Int64
		entered, leave := make(chan struct{}, 9), make(chan struct{})
		st.s.Live().Ranker.(*fakeRanker).delay = func() {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			entered <- struct{}{}
			<-leave
			now.Add(-1)
		}
		done := make(chan reply, 1)
		go func() { done <- st.do("POST", batchPath, `{"users":["a","b","c","d"]}`) }()
		for range want {
			<-entered
		}
		st.wantMetric(fmt.Sprintf(`softrec_serve_at_work{class="read"} %d`, want))
		if r := st.do("GET", "/v1/popular", ""); r.Code != 503 {
			t.Errorf("%d places: status %d beside a batch that has them all", places, r.Code)
		}
		close(leave)
		into[BatchResult](t, <-done, 200)
		if most.Load() != want {
			t.Errorf("%d places: %d lists at once, want %d", places, most.Load(), want)
		}
		st.wantMetric(`softrec_serve_at_work{class="read"} 0`)
	}
}

// The time for the rules of a batch is one for all its lists, and is not taken from lists without rules.
func TestBatch_timeForRules(t *testing.T) {
	f := &fakeTexts{takes: 2 * time.Second}
	st := newStack(t, func(c *Config, d *Deps) { d.Texts, c.AnswerBudget = f, time.Minute }).stock(8).model("m1", names(4)...)
	synctest.Test(t, func(t *testing.T) {
		st.s.desk = runningDesk(t, f, func(c *Config) { c.AnswerBudget, c.TextBatch = time.Minute, 1 })
		for filter, late := range map[string]string{"": "", "title != id": "the rules could not be carried out"} {
			const n = 6
			lists, windows := make([]asked, n), make([]schema.Window, n)
			for i := range lists {
				user := fmt.Sprint("u", i, filter)
				lists[i] = st.s.ask(user, rulesBody{Spec: rules.Spec{Filter: filter}})
				windows[i] = schema.Window{UserID: user, Entries: clicks("i001")}
			}
			answered := 0
			for i, r := range st.s.rankAll(t.Context(), lists, windows, make([]error, n), testStart) {
				switch {
				case r.Answer == nil && (late == "" || !strings.Contains(r.Error.Detail, late)):
					t.Errorf("filter %q, list %d: %+v", filter, i, r.Error)
				case r.Answer != nil && r.Answer.Text != schema.TextReady:
					t.Errorf("filter %q, list %d: text %s", filter, i, r.Answer.Text)
				case r.Answer != nil:
					answered++
				}
			}
			if answered == 0 || late != "" && answered > 2 { // readings take two seconds each, the rules have five
				t.Errorf("filter %q: %d of %d lists were answered", filter, answered, n)
			}
		}
	})
}

// All lists of a batch together wait for the language model no longer than one would.
func TestBatch_hasOneBudget(t *testing.T) {
	f := &fakeTexts{takes: 30 * time.Millisecond}
	st := newStack(t, func(_ *Config, d *Deps) { d.Texts = f }).stock(8).model("m1", names(4)...)
	synctest.Test(t, func(t *testing.T) {
		st.s.desk = runningDesk(t, f)
		const n = 64
		lists, windows := make([]asked, n), make([]schema.Window, n)
		for i := range lists {
			user := fmt.Sprint("u", i)
			lists[i] = st.s.ask(user, rulesBody{})
			windows[i] = schema.Window{UserID: user, Entries: clicks("i001")}
		}
		began, states := time.Now(), map[schema.TextState]int{}
		for _, r := range st.s.rankAll(t.Context(), lists, windows, make([]error, n), testStart) {
			states[r.Answer.Text]++
		}
		if took := time.Since(began); took > st.s.cfg.AnswerBudget || states[schema.TextReady] == 0 || states[schema.TextPending] == 0 {
			t.Errorf("%s, %v", took, states)
		}
	})
}
