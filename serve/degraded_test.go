package serve

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rpc"
)

func TestDegraded_redisAway(t *testing.T) {
	st := newStack(t).stock(20).model("v1", names(20)...)
	st.click("u", "i001")
	good := st.recommend("/v1/recommend/u")
	st.do("DELETE", "/v1/items/i002", "")
	st.mr.Close()

	a := st.recommend("/v1/recommend/u?n=100")
	if a.Degraded == "" || a.ModelVersion != "v1" || len(a.Items) != 19 || a.Items[0].Source != schema.SourcePopular || a.WindowOffset != 0 {
		t.Errorf("answer %+v", a)
	}
	for _, it := range a.Items {
		if it.ID == "i002" {
			t.Error("a withdrawn item is back")
		}
	}
	for _, path := range []string{"/v1/similar/i001", "/v1/popular"} {
		if a := st.recommend(path); a.Degraded == "" || len(a.Items) != 10 {
			t.Errorf("%s: %+v", path, a)
		}
	}
	if a := into[schema.Answer](t, st.do("POST", "/v1/session/recommend", `{"items":["i003"]}`), 200); a.Degraded == "" || a.Items[0].Source != schema.SourceModel {
		t.Errorf("session: %+v", a)
	}
	for _, path := range []string{"/v1/users/u", "/v1/users", "/v1/rounds"} {
		if r := st.do("GET", path, ""); r.Code != 503 || r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: status %d %s", path, r.Code, r.Body)
		}
	}
	if m := into[ModelList](t, st.do("GET", "/v1/models", ""), 200); m.Degraded == "" || m.Loaded != "v1" || len(m.Manifests) != 1 {
		t.Errorf("models: %+v", m)
	}
	if s := into[FullStats](t, st.do("GET", "/v1/stats", ""), 200); s.Degraded == "" || s.Model.Version != "v1" {
		t.Errorf("stats: %+v", s)
	}
	into[schema.Item](t, st.do("GET", "/v1/items/i003", ""), 200)
	st.wantMetric("softrec_serve_redis_spared 1")

	if err := st.mr.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the answer is whole again", func() bool {
		st.advance(10 * time.Millisecond)
		a := st.recommend("/v1/recommend/u")
		return a.Degraded == "" && a.WindowOffset == good.WindowOffset
	})
	st.wantMetric("softrec_serve_redis_spared 0")
}

func TestDegraded_coldAndRedisAway(t *testing.T) {
	st := newStack(t).stock(20).refresh()
	st.mr.Close()
	if a := st.recommend("/v1/recommend/u"); a.Degraded == "" || len(a.Items) != 10 || a.Items[0].Source != schema.SourceCatalog {
		t.Errorf("answer %+v", a)
	}
}

// A Redis that accepts connections and never answers costs a few requests its timeout, and then it is not asked.
func TestDegraded_redisHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	conns := make(chan net.Conn, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		close(conns)
		for c := range conns {
			_ = c.Close()
		}
	})
	st := newStack(t, func(c *Config, d *Deps) {
		c.RedisTimeout = 60 * time.Millisecond
		opts := &redis.UniversalOptions{Addrs: []string{l.Addr().String()}}
		c.RedisOptions(opts)
		hanging := redis.NewUniversalClient(opts)
		t.Cleanup(func() { _ = hanging.Close() })
		d.Redis = hanging
	})
	for range 30 {
		if a := st.recommend("/v1/recommend/u"); a.Degraded == "" {
			t.Fatal("not degraded")
		}
	}
	if n := st.s.gateway.breaker.failures.Load(); n < 3 || n > 4 {
		t.Errorf("redis was asked %d times", n)
	}
}

// A Redis that refuses new connections (a password changed under us) is no user without a past.
func TestDegraded_refusedAtTheDoor(t *testing.T) {
	st := newStack(t, func(c *Config, d *Deps) {
		mr := miniredis.RunT(t)
		mr.RequireAuth("new")
		opts := &redis.UniversalOptions{Addrs: []string{mr.Addr()}, Password: "old"}
		c.RedisOptions(opts)
		refused := redis.NewUniversalClient(opts)
		t.Cleanup(func() { _ = refused.Close() })
		d.Redis = refused
	})
	if a := st.recommend("/v1/recommend/u"); a.Degraded == "" {
		t.Errorf("answer %+v", a)
	}
}

// A stored window that cannot be read is that user's trouble alone.
func TestDegraded_oneCorruptWindow(t *testing.T) {
	st := newStack(t).stock(20).model("v1", names(20)...)
	if err := st.mr.Set(st.keys.User("bad"), "nonsense"); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if a := st.recommend("/v1/recommend/bad"); a.Degraded == "" || len(a.Items) != 10 {
			t.Fatalf("answer %+v", a)
		}
	}
	if a := st.recommend("/v1/recommend/good"); a.Degraded != "" {
		t.Errorf("another user is degraded: %s", a.Degraded)
	}
	// The catalogue can be read, so what was withdrawn a moment ago must be gone.
	if err := st.shelf.apply("i007", nil); err != nil {
		t.Fatal(err)
	}
	if a := st.recommend("/v1/recommend/bad?n=20"); slices.Contains(ids(a), "i007") || len(a.Items) != 19 {
		t.Errorf("withdrawn item in %v", ids(a))
	}
}

// A client that hangs up says nothing about Redis, neither good nor bad.
func TestGateway_clientLeft(t *testing.T) {
	st := newStack(t)
	g := st.s.gateway
	g.breaker.failure(st.clock())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.read(gone, "u"); !errors.Is(err, context.Canceled) {
		t.Fatalf("read: %v", err)
	}
	if n := g.breaker.failures.Load(); n != 1 {
		t.Errorf("%d failures counted, want the one before", n)
	}
}

func TestBreaker(t *testing.T) {
	b := &breaker{max: 2, cooldown: time.Second, start: testStart}
	now := testStart
	if !b.allow(now) {
		t.Error("closed at first")
	}
	b.failure(now)
	if !b.allow(now) || b.open() {
		t.Error("one failure opens it")
	}
	b.failure(now)
	if b.allow(now) || b.allow(now.Add(999*time.Millisecond)) || !b.open() {
		t.Error("two failures do not open it")
	}
	later := now.Add(time.Second)
	if !b.allow(later) || b.allow(later) {
		t.Error("want exactly one caller to try")
	}
	b.failure(later)
	if b.allow(later.Add(time.Second - 1)) {
		t.Error("a failed try does not open it again")
	}
	if !b.allow(later.Add(time.Second)) {
		t.Error("no second try")
	}
	b.success()
	if !b.allow(later) || b.open() {
		t.Error("a good try does not close it")
	}
}

// setBack is t as a machine shows it whose clock was set back by d meanwhile: only the wall clock's reading is another.
func setBack(t time.Time, d time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) -= uint64(d/time.Second) << 30 // the seconds stand above the nanoseconds
	return t
}

// A clock that was set back by an hour kept everybody from a Redis that was there again, for an hour.
func TestBreaker_clockSetBack(t *testing.T) {
	start := time.Now()
	b := &breaker{max: 1, cooldown: time.Second, start: start}
	b.failure(start)
	later := setBack(start.Add(time.Second), time.Hour)
	if later.Sub(start) != time.Second || start.Unix()-later.Unix() < 3500 {
		t.Fatalf("the test does not set the clock back: %s after %s", later, start)
	}
	if b.allow(setBack(start.Add(time.Second-1), time.Hour)) || !b.allow(later) {
		t.Error("the cooldown goes by the wall clock")
	}
}

func TestOutage(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false}, {redis.Nil, false}, {context.Canceled, false}, {errors.New("window is corrupt"), false},
		{context.DeadlineExceeded, true}, {&net.OpError{Op: "dial", Err: errors.New("refused")}, true}, {redis.ErrPoolTimeout, true},
	} {
		if got := outage(tt.err); got != tt.want {
			t.Errorf("outage(%v) = %v", tt.err, got)
		}
	}
}

func TestLog_saysRedisIsAwayWithoutValues(t *testing.T) {
	st := newStack(t)
	st.mr.Close()
	st.recommend("/v1/recommend/u")
	if !strings.Contains(st.logs.String(), "redis was not read") {
		t.Error("the log does not say so")
	}
}

// A client that leaves was counted as an outage of Redis, for which there is an alert.
func TestDegraded_whoLeavesIsNoOutage(t *testing.T) {
	st := newStack(t).stock(20).model("v1", names(20)...)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	st.s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/v1/recommend/u", nil))
	st.recommend("/v1/recommend/v") // none
	if all := string(ask(t, st.s.Admin(), "GET", "/metrics", "").Body); strings.Contains(all, "softrec_serve_degraded_total{") {
		t.Error("it is counted as an answer without Redis")
	}
	if strings.Contains(st.logs.String(), "redis was not read") {
		t.Errorf("the log blames Redis: %s", st.logs.String())
	}
}

// A client's deadline that passes is its own affair: a few short ones opened the breaker for everybody and were counted as outages.
func TestDegraded_aClientsDeadlineIsNoOutage(t *testing.T) {
	st := newStack(t, func(c *Config, _ *Deps) {
		c.RedisTimeout, c.BreakerFailures, c.BreakerCooldown = 4*time.Second, 3, time.Minute
	}).stock(20).model("v1", names(20)...)
	g := &gate{open: make(chan struct{})}
	st.rdb.AddHook(g)
	for range 3 {
		r := httptest.NewRequest("POST", rpc.SoftrecServiceRecommendProcedure, strings.NewReader(`{"userId":"u"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Connect-Timeout-Ms", "1")
		st.s.Handler().ServeHTTP(httptest.NewRecorder(), r)
		hasty, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		err := st.s.gateway.do(hasty, func(ctx context.Context, pipe redis.Pipeliner) func() error {
			cmd := pipe.MGet(ctx, "a")
			return cmd.Err
		})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a pipeline that is not answered: %v", err)
		}
		_ = st.s.degrade(err)
	}
	close(g.open)
	if b := &st.s.gateway.breaker; b.open() || b.failures.Load() > 0 {
		t.Errorf("the breaker counted %d failures, open: %v", b.failures.Load(), b.open())
	}
	if a := st.recommend("/v1/recommend/u"); a.Degraded != "" {
		t.Errorf("the next one is degraded: %s", a.Degraded)
	}
	if all := string(ask(t, st.s.Admin(), "GET", "/metrics", "").Body); strings.Contains(all, "softrec_serve_degraded_total{") {
		t.Error("it is counted as an answer without Redis")
	}
	if strings.Contains(st.logs.String(), "redis was not read") {
		t.Errorf("the log blames Redis: %s", st.logs.String())
	}
}

// While the breaker is open, the one try after a cooldown is for a caller that waits for what comes of it.
func TestGateway_whoHasLeftTakesNoTry(t *testing.T) {
	st := newStack(t, func(c *Config, _ *Deps) { c.BreakerFailures, c.BreakerCooldown = 1, time.Minute })
	g := st.s.gateway
	g.breaker.failure(st.clock())
	st.advance(time.Hour)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.read(gone, "u"); !errors.Is(err, context.Canceled) {
		t.Fatalf("read: %v", err)
	}
	if _, err := g.read(t.Context(), "u"); err != nil || g.breaker.open() {
		t.Errorf("the next caller: %v, open: %v", err, g.breaker.open())
	}
}
