package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// testStart is the tests' clock.
var testStart = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// stack is a server over miniredis with Kafka and ingest replaced by bus.
type stack struct {
	t      testing.TB
	mr     *miniredis.Miniredis
	rdb    redis.UniversalClient
	keys   schema.Keys
	shelf  *shelf
	view   *catalog.View
	win    *window.Store
	bus    *bus
	gone   *deletion.Store
	models *fakeModels
	reg    *prometheus.Registry
	logs   *logBuffer
	s      *Server

	mu  sync.Mutex
	now time.Time
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func testConfig() Config {
	cfg := DefaultConfig()
	cfg.Listen, cfg.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.DrainDelay = 0
	cfg.LiveInterval, cfg.ModelPoll, cfg.CataloguePoll = 10*time.Millisecond, 5*time.Millisecond, 20*time.Millisecond
	cfg.VisibleWait, cfg.RedisTimeout, cfg.ReadTimeout, cfg.WriteTimeout = 20*time.Second, 20*time.Second, 2*time.Minute, 2*time.Minute // tests of what is slow set their own
	cfg.BreakerCooldown = 50 * time.Millisecond
	return cfg
}

// newStack builds a server; change may edit its configuration and dependencies.
func newStack(t testing.TB, change ...func(*Config, *Deps)) *stack {
	st := &stack{t: t, mr: miniredis.RunT(t), keys: schema.NewKeys(""), models: &fakeModels{}, reg: prometheus.NewRegistry(), logs: &logBuffer{}, now: testStart}
	cfg := testConfig()
	opts := &redis.UniversalOptions{Addrs: []string{st.mr.Addr()}}
	cfg.RedisOptions(opts)
	st.rdb = redis.NewUniversalClient(opts)
	t.Cleanup(func() { _ = st.rdb.Close() })
	var err error
	if st.win, err = window.New(st.rdb, st.keys, window.DefaultRules()); err != nil {
		t.Fatal(err)
	}
	writer := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{st.mr.Addr()}}) // ingest's
	t.Cleanup(func() { _ = writer.Close() })
	store, err := catalog.New(st.rdb, st.keys)
	if err != nil {
		t.Fatal(err)
	}
	writes, err := catalog.New(writer, st.keys)
	if err != nil {
		t.Fatal(err)
	}
	st.shelf, st.view = &shelf{Store: store, writer: writes}, catalog.NewView(store)
	ingested, err := window.New(writer, st.keys, window.DefaultRules())
	if err != nil {
		t.Fatal(err)
	}
	if st.gone, err = deletion.New(writer, st.keys); err != nil {
		t.Fatal(err)
	}
	st.bus = &bus{windows: ingested, items: st.shelf, gone: st.gone}
	deps := Deps{
		Redis: st.rdb, Keys: st.keys, Windows: st.win, Catalogue: st.view, Items: st.shelf, Registry: st.models, Snapshots: st.models,
		Events: st.bus, Changes: st.bus, Deletions: st.gone, Decode: decodeFake, Version: "test", Registerer: st.reg,
		Logger: slog.New(slog.NewTextHandler(st.logs, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: st.clock,
	}
	for _, c := range change {
		c(&cfg, &deps)
	}
	if st.s, err = New(cfg, deps); err != nil {
		t.Fatal(err)
	}
	return st
}

func (st *stack) clock() time.Time {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.now = st.now.Add(time.Microsecond)
	return st.now
}

func (st *stack) advance(d time.Duration) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.now = st.now.Add(d)
}

// serve opens the ports and runs the server until ctx ends; the channel then gives what Run returned.
func (st *stack) serve(ctx context.Context) <-chan error {
	st.t.Helper()
	if err := st.s.Listen(); err != nil {
		st.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- st.s.Run(ctx) }()
	return ended
}

// impatient is for tests in which a change never becomes visible.
func impatient(c *Config, _ *Deps) { c.VisibleWait = 30 * time.Millisecond }

// stock puts n items i000... into the catalogue: category "even" or "odd", title "Item <n>".
func (st *stack) stock(n int) *stack {
	st.t.Helper()
	for i := range n {
		cat := []string{"even", "odd"}[i%2]
		it := schema.Item{ID: fmt.Sprintf("i%03d", i), Title: fmt.Sprintf("Item %d", i), Categories: []string{cat, "all"}}
		if err := st.shelf.apply(it.ID, &it); err != nil {
			st.t.Fatal(err)
		}
	}
	return st
}

// model makes a model over vocab live.
func (st *stack) model(version string, vocab ...string) *stack {
	st.t.Helper()
	st.models.publish(version, &fakeRanker{Salt: version, Vocab: vocab})
	return st.refresh()
}

func (st *stack) refresh() *stack {
	st.t.Helper()
	if err := st.s.Refresh(context.Background()); err != nil {
		st.t.Fatal(err)
	}
	return st
}

func names(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("i%03d", i)
	}
	return ids
}

// reply is an answer of the server.
type reply struct {
	Code   int
	Header http.Header
	Body   []byte
}

func (st *stack) do(method, path, body string, headers ...string) reply {
	st.t.Helper()
	return ask(st.t, st.s.Handler(), method, path, body, headers...)
}

func ask(t testing.TB, h http.Handler, method, path, body string, headers ...string) reply {
	t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, in)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	rep := reply{Code: w.Code, Header: w.Header(), Body: w.Body.Bytes()}
	if rep.Code >= 400 {
		checkProblem(t, rep)
	}
	return rep
}

// checkProblem holds every error of every test to RFC 9457.
func checkProblem(t testing.TB, r reply) {
	t.Helper()
	var p struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}
	if ct := r.Header.Get("Content-Type"); ct != problemType {
		t.Errorf("status %d has content type %q, want %q: %s", r.Code, ct, problemType, r.Body)
	}
	if err := json.Unmarshal(r.Body, &p); err != nil || p.Status != r.Code || p.Title == "" || p.Detail == "" {
		t.Errorf("status %d is no problem document (%v): %s", r.Code, err, r.Body)
	}
}

func into[T any](t testing.TB, r reply, code int) T {
	t.Helper()
	var v T
	if r.Code != code {
		t.Fatalf("status %d, want %d: %s", r.Code, code, r.Body)
	}
	if err := json.Unmarshal(r.Body, &v); err != nil {
		t.Fatalf("decode %s: %v", r.Body, err)
	}
	return v
}

// recommend asks for a list and returns it.
func (st *stack) recommend(path string) schema.Answer {
	st.t.Helper()
	return into[schema.Answer](st.t, st.do("GET", path, ""), 200)
}

func (st *stack) click(user, item string) {
	st.t.Helper()
	body := fmt.Sprintf(`{"user_id":%q,"item_id":%q,"timestamp":%q}`, user, item, st.clock().Format(time.RFC3339Nano))
	if r := into[EventsResult](st.t, st.do("POST", "/v1/events", body), 202); r.Accepted != 1 {
		st.t.Fatalf("accepted %d, want 1", r.Accepted)
	}
}

func ids(a schema.Answer) []string {
	out := make([]string, len(a.Items))
	for i, it := range a.Items {
		out[i] = it.ID
	}
	return out
}

// eventually waits for a condition with a deadline.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
