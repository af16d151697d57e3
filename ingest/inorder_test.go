package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/softrec/softrec/ingest/attribution"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/progress"
	"github.com/softrec/softrec/schema"
)

// patience is that of these tests.
const patience = 15 * time.Second

// shownTopic is the topic of impressions, as far as its numbers go: one partition, into which a record is written every second.
type shownTopic struct {
	applied atomic.Int64 // -1: everything
	fault   error
	asked   int
}

func written() int64 { return time.Now().Unix() }

func (s *shownTopic) ends(context.Context) (map[int]int64, error) {
	s.asked++
	return map[int]int64{0: written()}, nil
}

func (s *shownTopic) position(context.Context) (map[int]int64, bool, error) {
	at := s.applied.Load()
	if at < 0 {
		at = written()
	}
	return map[int]int64{0: at}, false, s.fault
}

func inOrderOf(t *testing.T, shown *shownTopic) *inOrder {
	t.Helper()
	return inOrderFrom(t, shown.ends, shown.position)
}

func inOrderFrom(t *testing.T, ends Positions, applied Places) *inOrder {
	t.Helper()
	s, err := newStream(DefaultConfig(), &quietSource{}, noLetters{}, "t", []Option{WithLogger(testLog(t)), WithImpressions(ends, applied, patience)})
	if err != nil {
		t.Fatal(err)
	}
	return newInOrder(s)
}

// aged is a record that was written some time ago.
func aged(ago time.Duration) []broker.Record { return []broker.Record{{Time: time.Now().Add(-ago)}} }

// Interactions wait for impressions once at the start, once after each restart of the store and once for a backlog. Live ones, and those from before
// the last wait, do not.
func TestInOrder_whoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shown := &shownTopic{}
		shown.applied.Store(-1)
		o := inOrderOf(t, shown)
		for i, c := range []struct {
			what string
			do   func()
			ago  time.Duration
			want int // looks at the end so far
		}{
			{"the first one", func() {}, 0, 1},
			{"a live one", func() { time.Sleep(time.Hour) }, backlog / 2, 1},
			{"a backlog", func() {}, backlog, 2},
			{"the rest of it", func() {}, backlog + time.Second, 2},
			{"another backlog", func() { time.Sleep(time.Minute) }, backlog, 3},
			{"after a restart", o.forget, 0, 4},
			{"a live one after it", func() {}, 0, 4},
		} {
			c.do()
			if err := o.await(t.Context(), aged(c.ago)); err != nil || shown.asked != c.want {
				t.Errorf("%d, %s: looked %d times, want %d, %v", i, c.what, shown.asked, c.want, err)
			}
		}
	})
}

// They wait for what was written when they began to, and no longer; and not for impressions that nobody applies.
func TestInOrder_howLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		shown := &shownTopic{}
		shown.applied.Store(written() - 30)
		o := inOrderOf(t, shown)
		go func() {
			for range 30 { // slower than the topic grows
				time.Sleep(2 * time.Second)
				shown.applied.Add(1)
			}
		}()
		if err := o.await(t.Context(), aged(0)); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < time.Minute || took > time.Minute+time.Second {
			t.Errorf("waited for %s, want a minute", took)
		}
		o.forget()
		began = time.Now()
		if err := o.await(t.Context(), aged(0)); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < patience || took > patience+time.Second {
			t.Errorf("waited for %s, want %s for what does not move", took, patience)
		}
		if err := o.await(t.Context(), aged(time.Minute)); err != nil || time.Since(began) > patience+time.Second {
			t.Errorf("waited again for what does not move: %s, %v", time.Since(began), err)
		}
	})
}

// Interactions go on when no partition that is lacking has moved for the patience, though one that has it all moves on and on. They once
// waited without end then.
func TestInOrder_oneStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, start := time.Now(), written()
		want := map[int]int64{0: start + 60, 1: 9, 2: 7}
		ends := func(context.Context) (map[int]int64, error) { return want, nil }
		applied := func(context.Context) (map[int]int64, bool, error) {
			return map[int]int64{0: written(), 1: 5, 2: written()}, true, nil // 0 has it all after a minute and gets on, 1 stands still, 2 has it all
		}
		o := inOrderFrom(t, ends, applied)
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if err := o.await(ctx, aged(0)); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < time.Minute+o.patience || took > time.Minute+o.patience+time.Second {
			t.Errorf("waited for %s, want a minute for what moves and %s for what does not", took, o.patience)
		}
	})
}

// Where the broker does not tell what was written they go on too, as if it stood still. They once asked without end. For the store, in
// which it is written how a topic's positions are counted, they wait as long as it takes: they need it themselves.
func TestInOrder_nobodyTellsTheEnds(t *testing.T) {
	for what, c := range map[string]struct {
		fault error
		last  time.Duration // how long it is so
		waits time.Duration
	}{
		"the broker, for good":       {io.EOF, time.Hour, patience},
		"the broker, for a moment":   {io.EOF, patience / 2, patience / 2},
		"the store, for a long time": {&broker.StoreError{Err: io.EOF}, 10 * patience, 10 * patience},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ends := func(context.Context) (map[int]int64, error) {
					if time.Since(began) < c.last {
						return nil, fmt.Errorf("list offsets: %w", c.fault)
					}
					return map[int]int64{0: 1}, nil
				}
				o := inOrderFrom(t, ends, func(context.Context) (map[int]int64, bool, error) { return map[int]int64{0: 1}, true, nil })
				ctx, stop := context.WithTimeout(t.Context(), time.Hour)
				defer stop()
				if err := o.await(ctx, aged(0)); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took < c.waits || took > c.waits+2*time.Second {
					t.Errorf("waited for %s, want %s", took, c.waits)
				}
			})
		})
	}
}

// A store that was restarted meanwhile is told, and a stop ends the wait: the records in hand are not applied, and come again.
func TestInOrder_faults(t *testing.T) {
	shown := &shownTopic{fault: &progress.RestartedError{RunID: "another"}}
	restarted := new(progress.RestartedError)
	if err := inOrderOf(t, shown).await(t.Context(), aged(0)); !errors.As(err, &restarted) {
		t.Errorf("got %v, want what the fence says", err)
	}
	synctest.Test(t, func(t *testing.T) {
		shown := &shownTopic{}
		src := &script{batches: [][]broker.Record{{eventRecord(schema.Event{UserID: "u", ItemID: "a", Timestamp: time.Now()})}}, committed: map[int]int64{}}
		store := joins(func(context.Context, attribution.Stream, []attribution.Record) error {
			t.Error("applied before the impressions")
			return nil
		})
		c, err := NewAttribution(DefaultConfig(), attribution.Interactions, src, store, deadEnd{}, WithLogger(testLog(t)), WithImpressions(shown.ends, shown.position, patience))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), patience/2)
		defer stop()
		if err := c.Run(ctx); err != nil || len(src.committed) != 0 {
			t.Errorf("committed %v, %v", src.committed, err)
		}
	})
}

// A partition of which nothing was noted is behind, unless its group's commits are trusted; one of which something was noted is where that says.
func TestLacks(t *testing.T) {
	type at = map[int]int64
	for _, c := range []struct {
		have    at
		trusted bool
		want    at
		ok      bool
	}{
		{nil, false, nil, true}, {nil, false, at{0: 0}, true}, {nil, false, at{0: 1}, false}, {nil, true, at{0: 1}, true},
		{at{0: 5}, false, at{0: 5}, true}, {at{0: 4}, true, at{0: 5}, false}, {at{0: 6}, true, at{0: 5, 1: 7}, true}, {at{0: 6}, false, at{0: 5, 1: 7}, false},
		{at{0: 6, 1: 6}, true, at{0: 5, 1: 7}, false},
	} {
		if got := lacks(c.have, c.trusted, c.want); (len(got) == 0) != c.ok {
			t.Errorf("%v (trusted %t) lacks of %v: %v", c.have, c.trusted, c.want, got)
		}
	}
}
