package shed

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiter_neverMoreThanItsLimit(t *testing.T) {
	c := New(Config{Target: time.Millisecond, Least: 3, Most: 8})
	l := c.Limiter()
	var g sync.WaitGroup
	var mu sync.Mutex
	most := int64(0)
	for range 64 {
		g.Go(func() {
			for range 500 {
				if l.Acquire() {
					mu.Lock()
					most = max(most, l.AtWork())
					mu.Unlock()
					runtime.Gosched()
					l.Release()
				}
			}
		})
	}
	g.Wait()
	if l.AtWork() != 0 {
		t.Errorf("%d are at work after all ended", l.AtWork())
	}
	for range 8 {
		if !l.Acquire() {
			t.Error("a place is lost")
		}
	}
	if l.Acquire() {
		t.Error("a ninth was let in")
	}
	if l.Refused() == 0 {
		t.Error("nobody was counted as refused")
	}
}

// The limit falls to what can be borne while waits are too long, keeps its floor, and comes back.
func TestController_fallsAndComesBack(t *testing.T) {
	c := New(Config{Target: 5 * time.Millisecond, Least: 4, Most: 512})
	l := c.Limiter()
	for range 200 { // far more at work than the machine bears
		l.Acquire()
	}
	c.step(6*time.Millisecond, 1)
	if l.Limit() >= 200 {
		t.Errorf("after the first tick the limit is %d: it must bite below the 200 at work", l.Limit())
	}
	for range 200 {
		l.Release()
	}
	for range 100 {
		c.step(6*time.Millisecond, 1)
	}
	if l.Limit() != 4 {
		t.Errorf("after a second of waits the limit is %d, want the least, 4", l.Limit())
	}
	ticks := 0
	for ; l.Limit() < 512 && ticks < 1000; ticks++ {
		c.step(time.Millisecond, 1)
	}
	if l.Limit() != 512 || ticks > 200 {
		t.Errorf("without waits the limit is %d after %d ticks", l.Limit(), ticks)
	}
}

func TestController_slowRedisIsNoQueue(t *testing.T) {
	c := New(Config{Target: 5 * time.Millisecond, Least: 4, Most: 512})
	l := c.Limiter()
	trip := func(d time.Duration, ticks int) {
		for range ticks {
			for range 20 {
				c.Observe(d)
			}
			c.step(0, 1)
		}
	}
	trip(40*time.Millisecond, 100) // far away, but nothing waits
	if l.Limit() != 512 || c.Waited() != 0 {
		t.Errorf("limit %d and wait %s with a steady Redis", l.Limit(), c.Waited())
	}
	trip(60*time.Millisecond, 100)
	if l.Limit() != 4 || c.Waited() < 10*time.Millisecond {
		t.Errorf("limit %d and wait %s with trips that grew by 20 ms", l.Limit(), c.Waited())
	}
	trip(60*time.Millisecond, 3*baselineTicks) // that is how far away it is now
	if l.Limit() != 512 {
		t.Errorf("limit %d minutes after Redis moved away for good", l.Limit())
	}
}

// On a machine that others keep busy every goroutine waits: refusing requests would not help them.
func TestController_waitsThatOthersCause(t *testing.T) {
	c := New(Config{Target: 5 * time.Millisecond, Least: 4, Most: 512})
	l := c.Limiter()
	for range 100 {
		for range 20 {
			c.Observe(time.Millisecond)
		}
		c.step(time.Millisecond, 0.2)
	}
	for range 100 {
		for range 20 {
			c.Observe(120 * time.Millisecond) // two waits for a processor, and Redis' own time
		}
		c.step(80*time.Millisecond, 0.2)
	}
	if l.Limit() != 512 {
		t.Errorf("the limit fell to %d though the process hardly computes", l.Limit())
	}
	c.step(80*time.Millisecond, 0.9)
	if l.Limit() >= 512 {
		t.Errorf("the limit is %d though the process computes all the time", l.Limit())
	}
}

func TestUsage_followsTheProcess(t *testing.T) {
	at := time.Unix(0, 0)
	u := usage{at: at, share: 1}
	share := 0.0
	cpu := time.Duration(0)
	for range 200 { // a tenth of all processors
		at = at.Add(Tick)
		cpu += Tick * time.Duration(runtime.GOMAXPROCS(0)) / 10
		share = u.since(cpu, at)
	}
	if share < 0.09 || share > 0.12 {
		t.Errorf("the share is %g, want a tenth", share)
	}
	before := processTime()
	for end := time.Now().Add(30 * time.Second); processTime()-before < 5*time.Millisecond && time.Now().Before(end); {
	}
	if processTime() <= before {
		t.Error("the time of the process stands still while it computes")
	}
}

func TestController_runFeelsWaitingGoroutines(t *testing.T) {
	c := New(Config{Target: time.Millisecond, Least: 2, Most: 64})
	l := c.Limiter()
	began := time.Now()
	c.cpu = func() time.Duration { return time.Since(began) * time.Duration(runtime.GOMAXPROCS(0)) } // all of it, whoever else computes here
	ctx, cancel := context.WithCancel(t.Context())
	var g sync.WaitGroup
	g.Go(func() { c.Run(ctx) })
	stop := make(chan struct{})
	for range 50 * runtime.GOMAXPROCS(0) { // each works for a tenth of a millisecond and goes to the end of the queue
		g.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for end := time.Now().Add(100 * time.Microsecond); time.Now().Before(end); {
				}
				runtime.Gosched()
			}
		})
	}
	deadline := time.Now().Add(20 * time.Second)
	for l.Limit() > 2 && time.Now().Before(deadline) {
		time.Sleep(Tick) // the condition is polled
	}
	if l.Limit() > 2 {
		t.Errorf("the limit is %d, the wait %s with a queue at every processor", l.Limit(), c.Waited())
	}
	close(stop)
	cancel()
	g.Wait()
}

func TestController_offMovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Target: 0, Most: 8})
		l := c.Limiter()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c.Observe(time.Hour)
		c.Run(ctx)
		if l.Limit() != 8 {
			t.Errorf("limit %d", l.Limit())
		}
	})
}

func TestWaits_quantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var w waits
	var all []time.Duration
	for range 5000 {
		d := time.Duration(rng.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		w.add(d)
	}
	slices.Sort(all)
	got, n := w.take(0.9)
	want := all[4500]
	if n != 5000 || got < want || got > want*5/4+1 {
		t.Errorf("p90 of %d is %s, want %s or up to a quarter more", n, got, want)
	}
	if _, n := w.take(0.9); n != 0 {
		t.Errorf("%d are left after they were taken", n)
	}
	for _, d := range []time.Duration{-time.Second, 0, 1, 3, 4, 5, time.Hour, 1 << 62} {
		if i := bucket(d); upper(i) < min(d, upper(len(w.buckets)-1)) {
			t.Errorf("%d is in a bucket up to %d", d, upper(i))
		}
	}
}

func TestConfig_faults(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{Target: -1, Least: 5, Most: 0}.Validate()
	for _, want := range []string{"shed.target -1ns", "shed.most 0", "shed.least 5"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault names %s: %v", want, err)
		}
	}
}

func BenchmarkLimiter(b *testing.B) {
	l := New(DefaultConfig()).Limiter()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if l.Acquire() {
				l.Release()
			}
		}
	})
}

func BenchmarkScheduling(b *testing.B) {
	s := newScheduling()
	b.ReportAllocs()
	for b.Loop() {
		s.wait(quantile)
	}
}

// Who asks for more places gets the free ones and no more, and whoever gets none is not counted as refused.
func TestLimiter_morePlaces(t *testing.T) {
	c := New(Config{Target: time.Millisecond, Least: 3, Most: 8})
	l := c.Limiter()
	l.Acquire()
	if got := l.More(5); got != 5 {
		t.Errorf("got %d of 5", got)
	}
	if got := l.More(5); got != 2 {
		t.Errorf("got %d of the 2 that are free", got)
	}
	if got := l.More(5); got != 0 || l.Refused() != 0 || l.AtWork() != 8 {
		t.Errorf("got %d of none, %d refused, %d at work", got, l.Refused(), l.AtWork())
	}
	if l.Acquire() {
		t.Error("a ninth was let in")
	}
	l.GiveBack(7)
	l.Release()
	if l.AtWork() != 0 || l.More(0) != 0 || l.More(-1) != 0 {
		t.Errorf("%d at work", l.AtWork())
	}
	var g sync.WaitGroup
	for range 16 {
		g.Go(func() {
			for range 500 {
				n := l.More(3)
				if at := l.AtWork(); at > 8 {
					t.Errorf("%d at work", at)
				}
				l.GiveBack(n)
			}
		})
	}
	g.Wait()
	if l.AtWork() != 0 {
		t.Errorf("%d at work after all ended", l.AtWork())
	}
}
