package access

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// more lets a key in and takes n further requests; wait is that of a refusal.
func (d *desk) more(key string, n int) (wait time.Duration) {
	d.t.Helper()
	c, err := d.guard.Check(key, Read)
	if err == nil {
		err = d.guard.More(context.WithValue(context.Background(), callerKey{}, c), n)
	}
	var r *Refusal
	if errors.As(err, &r) {
		if r.Status != 429 || r.Reason != "rate" || r.RetryAfter <= 0 {
			d.t.Errorf("%+v", r)
		}
		return r.RetryAfter
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return 0
}

func TestGuard_moreCountAgainstTheRate(t *testing.T) {
	d, keys := newDesk(t, nil, Key{Name: "a", Scopes: []Scope{Read}, Rate: 2, Burst: 8}, Key{Name: "free", Scopes: []Scope{Read}, Rate: -1}, Key{Name: "one", Scopes: []Scope{Read}, Rate: 2, Burst: 1})
	for _, step := range []struct {
		advance time.Duration
		n       int
		wait    time.Duration
	}{
		{0, 4, 0},                              // five of eight
		{0, 3, 500 * time.Millisecond},         // four of three; costs nothing
		{0, 3, 500 * time.Millisecond},         //
		{0, 2, 0},                              // three of three
		{0, 0, 500 * time.Millisecond},         // a plain request of none
		{2 * time.Second, 19, 2 * time.Second}, // four are there; twenty want the whole burst
		{2 * time.Second, 19, 0},               // answered, twelve are owed
		{0, 0, 6500 * time.Millisecond},        //
		{6500 * time.Millisecond, 0, 0},        // they were paid, and one more
		{0, 1, 500 * time.Millisecond},         //
		{4 * time.Second, 254, 0},              // many times the burst
		{123500 * time.Millisecond, 0, 500 * time.Millisecond},
		{500 * time.Millisecond, 0, 0},
	} {
		d.advance(step.advance)
		if got := d.more(keys[0], step.n); got != step.wait {
			t.Errorf("%+v: waits %s", step, got)
		}
	}
	for range 5 {
		if got := d.more(keys[1], 1000); got != 0 {
			t.Errorf("without a rate: waits %s", got)
		}
	}
	if got := d.more(keys[2], 9); got != 0 {
		t.Errorf("a burst of one: waits %s", got)
	}
	if got := d.more(keys[2], 0); got != 5*time.Second {
		t.Errorf("a burst of one, nine owed: waits %s", got)
	}
}

// Where no keys are configured everybody has one allowance; a path that is open has none.
func TestGuard_moreWithoutKeys(t *testing.T) {
	d, _ := newDesk(t, func(c *Config) { c.KeysFile, c.Rate, c.Burst = "", 1, 4 })
	if _, err := d.guard.Check("", Read); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if err := d.guard.More(context.Background(), 3); (err == nil) != want {
			t.Errorf("%v, want it let through: %v", err, want)
		}
	}
	closed, _ := newDesk(t, func(c *Config) { c.Rate, c.Burst = 1, 1 })
	for range 3 {
		if err := closed.guard.More(context.Background(), 100); err != nil {
			t.Error(err)
		}
	}
}

// Batches that are refused cost nothing and none is let in, also where many come at once.
func TestGuard_refusalsAtOnceCostNothing(t *testing.T) {
	const left, callers = 16, 4
	d, keys := newDesk(t, nil, Key{Name: "a", Scopes: []Scope{Read}, Rate: 1, Burst: 100})
	if d.more(keys[0], 100-left-1) > 0 {
		t.Fatal("a full allowance lets nothing through")
	}
	var g sync.WaitGroup
	var answered atomic.Int64
	storm := func(n int) {
		for range callers {
			g.Go(func() {
				for range 2000 {
					if d.more(keys[0], n) == 0 {
						answered.Add(1)
					}
				}
			})
		}
		g.Wait()
	}
	storm(3 * left) // each takes one and gives it back
	if n := answered.Load(); n > 0 {
		t.Errorf("%d batches of more than is there were let in", n)
	}
	for i := range left {
		if d.more(keys[0], 0) > 0 {
			t.Fatalf("%d requests are let through after refused batches, want %d", i, left)
		}
	}
	storm(0)
	if n := answered.Load(); n > 0 {
		t.Errorf("%d requests were let in after the last", n)
	}
	d.advance(time.Second)
	if d.more(keys[0], 0) > 0 || d.more(keys[0], 0) == 0 {
		t.Error("want one request let through a second after refused ones")
	}
}
