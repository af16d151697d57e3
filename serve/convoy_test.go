package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// gate counts pipelines and holds them back until it is opened.
type gate struct {
	pipelines atomic.Int64
	open      chan struct{}
}

func (g *gate) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (g *gate) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (g *gate) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if !slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return c.Name() == "mget" }) { // the greeting of a new connection
			return next(ctx, cmds)
		}
		g.pipelines.Add(1)
		select {
		case <-g.open:
		case <-ctx.Done():
			return ctx.Err()
		}
		return next(ctx, cmds)
	}
}

func (st *stack) waiting() int {
	c := &st.s.gateway.convoy
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// patient waits a minute for Redis.
func patient(c *Config, _ *Deps) {
	c.RedisTimeout, c.ReadTimeout, c.WriteTimeout = time.Minute, 5*time.Minute, 5*time.Minute
}

// Requests that come while round trips are under way share the next one, and each gets its own user's window.
func TestConvoy_sharesRoundTrips(t *testing.T) {
	st := newStack(t, patient).stock(5).model("v1", names(5)...)
	const users = 40
	for u := range users {
		for range 1 + u%7 {
			st.click(fmt.Sprintf("u%d", u), "i001")
		}
	}
	g := &gate{open: make(chan struct{})}
	st.rdb.AddHook(g)
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			win, err := st.s.gateway.read(context.Background(), fmt.Sprintf("u%d", u))
			if err != nil || win.Version != int64(1+u%7) {
				t.Errorf("user %d: version %d, want %d: %v", u, win.Version, 1+u%7, err)
			}
		})
		if u < maxDrivers { // each driver sets out alone: it takes along who waits then
			eventually(t, "a round trip is under way", func() bool { return g.pipelines.Load() == int64(u+1) })
		}
	}
	eventually(t, "two round trips are under way, the rest waits", func() bool { return g.pipelines.Load() == maxDrivers && st.waiting() == users-maxDrivers })
	close(g.open)
	wg.Wait()
	if n := g.pipelines.Load(); n > maxDrivers+2 {
		t.Errorf("%d round trips for %d requests", n, users)
	}
	eventually(t, "no driver is left", func() bool {
		c := &st.s.gateway.convoy
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.running == 0
	})
}

// A client that leaves does not take the others along, and one round trip that fails is one failure to the breaker.
func TestConvoy_leavingAndFailing(t *testing.T) {
	st := newStack(t, func(c *Config, d *Deps) { patient(c, d); c.BreakerFailures = 3 }).stock(5).model("v1", names(5)...)
	st.click("u", "i001")
	g := &gate{open: make(chan struct{})}
	st.rdb.AddHook(g)
	ctx, leave := context.WithCancel(context.Background())
	left, stayed := make(chan error, 1), make(chan error, 8)
	go func() { _, err := st.s.gateway.read(ctx, "u"); left <- err }()
	eventually(t, "the first is under way", func() bool { return g.pipelines.Load() == 1 })
	stay := func() { _, err := st.s.gateway.read(context.Background(), "u"); stayed <- err }
	go stay() // alone: a driver takes all who wait when it sets out
	eventually(t, "a second driver is under way", func() bool { return g.pipelines.Load() == maxDrivers })
	for range cap(stayed) - 1 {
		go stay()
	}
	eventually(t, "the others wait", func() bool { return st.waiting() == cap(stayed)-1 })
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the client that left got %v", err)
	}
	close(g.open)
	for range cap(stayed) {
		if err := <-stayed; err != nil {
			t.Error(err)
		}
	}
	st.mr.Close()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := st.s.gateway.read(context.Background(), "u"); err == nil {
				t.Error("a window came from a Redis that is away")
			}
		})
	}
	wg.Wait()
	if !st.s.gateway.breaker.open() && st.s.gateway.breaker.failures.Load() == 0 {
		t.Error("the breaker heard of no failure")
	}
}

// An answer begins with a reading that began after its request: what was written before shows, however many ask at once.
func TestConvoy_readsWhatWasWrittenBefore(t *testing.T) {
	st := newStack(t).stock(5).model("v1", names(5)...)
	var wg sync.WaitGroup
	for u := range 16 {
		wg.Go(func() {
			user := fmt.Sprintf("u%d", u)
			for n := range 20 {
				st.click(user, "i002")
				if a := st.recommend("/v1/recommend/" + user); a.WindowOffset != int64(n+1) || a.Degraded != "" {
					t.Errorf("after click %d of %s the window is at %d: %s", n+1, user, a.WindowOffset, a.Degraded)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A stall of Redis is one failure for each round trip that it held up, not one for each request that waited: a quarter of a second without an
// answer must not turn a second of answers into degraded ones.
func TestConvoy_aStallIsOneFailure(t *testing.T) {
	st := newStack(t, func(c *Config, _ *Deps) {
		c.RedisTimeout, c.BreakerFailures, c.BreakerCooldown = 200*time.Millisecond, 20, time.Minute
	}).stock(5).model("v1", names(5)...)
	st.click("u", "i001")
	g := &gate{open: make(chan struct{})}
	st.rdb.AddHook(g)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := st.s.gateway.read(context.Background(), "u"); err == nil {
				t.Error("a window came from a Redis that does not answer")
			}
		})
	}
	wg.Wait()
	close(g.open)
	eventually(t, "the drivers are home", func() bool {
		c := &st.s.gateway.convoy
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.running == 0
	})
	if b := &st.s.gateway.breaker; b.open() || b.failures.Load() < 1 || int64(b.failures.Load()) > g.pipelines.Load() {
		t.Errorf("the breaker counted %d failures of %d round trips, open: %v", b.failures.Load(), g.pipelines.Load(), b.open())
	}
	eventually(t, "a window is read in time again", func() bool {
		st.advance(time.Hour) // should a reading take too long, the breaker lets the next one try
		_, err := st.s.gateway.read(context.Background(), "u")
		return err == nil
	})
}
