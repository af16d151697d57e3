package probe

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/softrec/softrec/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// api is a server with windows: an event shows in the answer lag after it was accepted.
type api struct {
	mu     sync.Mutex
	events map[string][]time.Time // acceptance times by user
	sent   []time.Time            // what the events said
	lag    time.Duration
	reads  time.Duration             // time after an event until the language model has read it, 0 without one
	fail   func(r *http.Request) int // status to answer with, 0 for a good answer
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.fail != nil {
		if status := a.fail(r); status != 0 {
			http.Error(w, "no", status)
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		events, err := schema.DecodeEvents(body, "")
		if err != nil || len(events) != 1 || events[0].Err != nil {
			http.Error(w, "bad event", http.StatusBadRequest)
			return
		}
		e := events[0].Event
		a.events[e.UserID] = append(a.events[e.UserID], time.Now())
		a.sent = append(a.sent, e.Timestamp)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"accepted":1,"duplicates":0,"rejected":[]}`)
		return
	}
	if r.URL.Query().Get("log") != "false" {
		http.Error(w, "a probe is no impression", http.StatusBadRequest)
		return
	}
	user := strings.TrimPrefix(r.URL.Path, "/v1/recommend/")
	answer := schema.Answer{RecommendationID: "r", ModelVersion: "r000001-abc", Items: []schema.AnswerItem{{ID: "x", Source: schema.SourceModel}}}
	for _, at := range a.events[user] {
		if time.Since(at) >= a.lag {
			answer.WindowOffset++
		}
	}
	if a.reads > 0 {
		answer.Text = schema.TextReady
		if at := a.events[user]; len(at) > 0 && time.Since(at[len(at)-1]) < a.reads {
			answer.Text = schema.TextPending
		}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// logged is when the events happened that the probers of the tests know of.
var logged = time.Date(2011, 5, 2, 9, 30, 0, 0, time.UTC)

// probed runs a prober against a until enough says so.
func probed(t *testing.T, a *api, cfg Config, enough func(Report) bool) Report {
	t.Helper()
	a.events = map[string][]time.Time{}
	server := httptest.NewServer(a)
	defer server.Close()
	recent := NewRecent(4)
	for _, u := range []string{"a", "b/c?", "d", "e", "f"} {
		recent.Observe(schema.Event{UserID: u, ItemID: "item-" + u, Timestamp: logged})
	}
	client, err := NewClient(server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(cfg, client, recent)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	for ctx.Err() == nil && !enough(p.Report()) {
		sleepUntil(ctx, time.Now().Add(time.Millisecond))
	}
	if ctx.Err() != nil {
		t.Errorf("not enough within the time: %+v", p.Report())
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	server.Client().CloseIdleConnections()
	return p.Report()
}

func quick() Config {
	cfg := DefaultConfig()
	cfg.Rate, cfg.ClickEvery, cfg.Timeout = 500, time.Millisecond, time.Minute
	return cfg
}

func TestProber_measures(t *testing.T) {
	a := &api{lag: 20 * time.Millisecond}
	got := probed(t, a, quick(), func(r Report) bool { return r.Requests.Count >= 50 && r.Clicks.Count >= 10 })
	if got.Requests.Failed != 0 || got.Clicks.Failed != 0 || got.LastError != "" {
		t.Errorf("failures against a good server: %+v", got)
	}
	if got.Served != got.Requests.Count || got.Models != got.Requests.Count {
		t.Errorf("every answer had items and a model: %+v", got)
	}
	if got.Clicks.P50ms < 20 {
		t.Errorf("a click took %.3f ms, the server needs 20 ms", got.Clicks.P50ms)
	}
	if got.Requests.P50ms <= 0 || got.Requests.P99ms < got.Requests.P50ms {
		t.Errorf("latencies %+v", got.Requests)
	}
	for _, at := range a.sent { // clicks happen where the log is: by the wall clock they would lie years ahead of what follows
		if at.Before(logged) || at.After(logged.Add(time.Hour)) {
			t.Fatalf("a click came with the time %s, the log is at %s", at, logged)
		}
	}
	for user := range a.events {
		if !strings.HasPrefix(user, "probe-") {
			t.Errorf("the prober clicked as %q", user)
		}
	}
}

func TestProber_tellsAnswersWithTheLanguageModelApart(t *testing.T) {
	a := &api{reads: 20 * time.Millisecond}
	got := probed(t, a, quick(), func(r Report) bool { return r.Ready.Count >= 20 && r.Unchanged.Count >= 5 })
	if got.Ready.Count != got.Requests.Count || got.Pending.Count != 0 {
		t.Errorf("of %d requests %d had its scores and %d had not: the users that are asked about have clicked nothing", got.Requests.Count, got.Ready.Count, got.Pending.Count)
	}
	if got.Texts.P50ms < 20 || got.Texts.Count < got.Unchanged.Count || got.Unchanged.Failed != 0 {
		t.Errorf("clicks %+v, once more %+v: the language model needs 20 ms for a click and is asked once more after each", got.Texts, got.Unchanged)
	}
	a = &api{lag: 20 * time.Millisecond, reads: 10 * time.Millisecond}
	if got := probed(t, a, quick(), func(r Report) bool { return r.Clicks.Count >= 5 }); got.Changed.Count != got.Clicks.Count || got.Changed.P50ms <= 0 || got.Changed.P50ms > got.Clicks.P50ms {
		t.Errorf("read in the request %+v of clicks %+v: the first answer that knows of a click has its scores", got.Changed, got.Clicks)
	}
	a = &api{}
	if got := probed(t, a, quick(), func(r Report) bool { return r.Clicks.Count >= 5 }); got.Ready.Count+got.Pending.Count+got.Changed.Count+got.Unchanged.Count+got.Texts.Count != 0 {
		t.Errorf("without a language model: %+v", got)
	}
}

func TestProber_countsFailures(t *testing.T) {
	a := &api{fail: func(r *http.Request) int {
		if strings.Contains(r.URL.Path, "probe-") || r.Method == http.MethodPost {
			return 0
		}
		return http.StatusServiceUnavailable
	}}
	got := probed(t, a, quick(), func(r Report) bool { return r.Requests.Count >= 20 && r.Clicks.Count >= 5 })
	if got.Requests.Failed != got.Requests.Count || got.Served != 0 || got.Clicks.Failed != 0 {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(got.LastError, "503") {
		t.Errorf("last error %q", got.LastError)
	}
}

func TestProber_aClickWithoutEffectFails(t *testing.T) {
	cfg := quick()
	cfg.Timeout = 50 * time.Millisecond
	got := probed(t, &api{lag: time.Hour}, cfg, func(r Report) bool { return r.Clicks.Count >= 2 })
	if got.Clicks.Failed != got.Clicks.Count || !strings.Contains(got.LastError, "no effect within 50ms") && !strings.Contains(got.LastError, "deadline") {
		t.Errorf("got %+v", got)
	}
}

func TestConfig_Validate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	if err := (Config{}).Validate(); err == nil || strings.Count(err.Error(), "probe.") != 5 {
		t.Errorf("got %v", err)
	}
}

func TestRecent(t *testing.T) {
	r := NewRecent(2)
	rng := rand.New(rand.NewPCG(1, 1))
	if _, _, ok := r.Pick(rng); ok {
		t.Error("a pick before the first event")
	}
	if ago := time.Since(r.Now()); ago < 0 || ago > time.Minute {
		t.Errorf("before the first event it is %s ago", ago)
	}
	for _, u := range []string{"a", "b", "c"} {
		r.Observe(schema.Event{UserID: u, ItemID: u})
	}
	seen := map[string]bool{}
	for range 50 {
		u, _, _ := r.Pick(rng)
		seen[u] = true
	}
	if seen["a"] || !seen["b"] || !seen["c"] {
		t.Errorf("picked %v, want the newest two", seen)
	}
}
