package ingest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// script is a Source that gives batches one after the other, and keeps what is committed.
type script struct {
	mu        sync.Mutex
	batches   [][]broker.Record
	committed map[int]int64 // by partition, newest offset
}

func (s *script) Fetch(ctx context.Context, _ int, _ time.Duration) ([]broker.Record, error) {
	s.mu.Lock()
	if len(s.batches) > 0 {
		recs := s.batches[0]
		s.batches = s.batches[1:]
		s.mu.Unlock()
		return recs, nil
	}
	s.mu.Unlock()
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *script) Commit(_ context.Context, recs []broker.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range recs {
		s.committed[r.Partition] = max(s.committed[r.Partition], r.Offset)
	}
	return nil
}

func (s *script) reached(partition int) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.committed[partition]
}

// deadEnd takes no dead letters.
type deadEnd struct{}

func (deadEnd) Publish(context.Context, string, ...broker.Record) error {
	return errors.New("no dead letters here")
}

// Events of a user that are from before the tombstone, and read after it, come onto the page as little as into the window: its receipt
// covers both. What of a batch was dropped nobody says, so that the page misses the batch.
func TestPipeline_thePageShowsNothingOfTheForgotten(t *testing.T) {
	for _, c := range []struct {
		forgot int // tombstones in the batch
		out    window.Outcome
		shown  bool
	}{
		{0, window.Outcome{Applied: 2}, true}, {1, window.Outcome{Applied: 2, Forgotten: 1}, true},
		{0, window.Outcome{Applied: 1, Forgotten: 1}, false}, {1, window.Outcome{Applied: 1, Forgotten: 2}, false},
	} {
		consumer, err := New(DefaultConfig(), &script{}, windowsFunc(nil), deadEnd{}, WithPage(&lastStatus{}))
		if err != nil {
			t.Fatal(err)
		}
		p := newPipeline(consumer)
		b := &batch{recs: []broker.Record{{Topic: "t"}}, done: make(chan struct{}), out: c.out, forgot: make([]schema.Deletion, c.forgot),
			events: []decodedEvent{{event: schema.Event{UserID: "ann"}}, {event: schema.Event{UserID: "ben"}}}}
		close(b.done)
		consumer.took(b.recs)
		p.acks <- b
		close(p.acks)
		if err := p.acknowledge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(consumer.reporter.recent); (got > 0) != c.shown {
			t.Errorf("%d tombstones, %+v: %d events wait for the page", c.forgot, c.out, got)
		}
	}
}

// stream of one partition: n batches of size, of users named by the number modulo users.
func numberedBatches(n, size, users int) [][]broker.Record {
	var batches [][]broker.Record
	off := int64(0)
	for range n {
		var recs []broker.Record
		for range size {
			off++
			r := eventRecord(schema.Event{UserID: fmt.Sprintf("u%d", off%int64(users)), ItemID: "i", Timestamp: start})
			r.Offset = off
			recs = append(recs, r)
		}
		batches = append(batches, recs)
	}
	return batches
}

// While one user's part is held up, other lanes go on into later batches, and no offset from the held batch on is committed.
func TestPipeline_commitsInOrder(t *testing.T) {
	src := &script{batches: numberedBatches(3, 40, 20), committed: map[int]int64{}}
	release := make(chan struct{})
	var mu sync.Mutex
	later := 0 // records of the third batch that were applied while the second was held
	win := windowsFunc(func(ctx context.Context, users []window.UserBatch) (window.Outcome, error) {
		for _, u := range users {
			for _, r := range u.Records {
				if u.User == "u7" && r.Offset > 40 {
					select {
					case <-release:
					case <-ctx.Done():
						return window.Outcome{}, ctx.Err()
					}
				}
				mu.Lock()
				if r.Offset > 80 {
					later++
				}
				mu.Unlock()
			}
		}
		return window.Outcome{Applied: len(users)}, nil
	})
	cfg := DefaultConfig()
	c, err := New(cfg, src, win, deadEnd{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	wait := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: not in time", what)
			}
		}
	}
	wait("the first batch is committed", func() bool { return src.reached(0) == 40 })
	wait("lanes go on", func() bool { mu.Lock(); defer mu.Unlock(); return later > 0 })
	if got := src.reached(0); got != 40 {
		t.Errorf("offset %d is committed, and one from 41 on is not applied", got)
	}
	close(release)
	wait("everything is committed", func() bool { return src.reached(0) == 120 })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A store that answers few users in time gets few at once, and is done in the end.
func TestPipeline_asksASlowStoreForLess(t *testing.T) {
	src := &script{batches: numberedBatches(2, 200, 200), committed: map[int]int64{}}
	win := windowsFunc(func(_ context.Context, users []window.UserBatch) (window.Outcome, error) {
		if len(users) > 3 {
			return window.Outcome{}, context.DeadlineExceeded // of one try
		}
		return window.Outcome{Applied: len(users)}, nil
	})
	c, err := New(DefaultConfig(), src, win, deadEnd{}, WithRetry(retry.Policy{Initial: time.Millisecond, Max: time.Millisecond}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	for end := time.Now().Add(time.Minute); src.reached(0) < 400; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("committed up to %d of 400", src.reached(0))
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Whatever lanes and faults do, each user's records reach the windows in the order of their offsets, and none is left out:
// a part that failed is tried again before the user's next one.
func TestPipeline_keepsEachUsersOrder(t *testing.T) {
	for _, lanes := range []int{1, 3, 8} {
		src := &script{batches: numberedBatches(60, 50, 17), committed: map[int]int64{}}
		rng := rand.New(rand.NewPCG(uint64(lanes), 5))
		var mu sync.Mutex
		next := map[string]int64{}
		win := windowsFunc(func(_ context.Context, users []window.UserBatch) (window.Outcome, error) {
			mu.Lock()
			defer mu.Unlock()
			for i, u := range users {
				if rng.IntN(20) == 0 {
					return window.Outcome{Applied: i}, context.DeadlineExceeded // of one try, in the middle
				}
				for _, r := range u.Records {
					have := next[u.User]
					if have != 0 && r.Offset > have+17 {
						t.Errorf("%d lanes: user %s goes from offset %d to %d", lanes, u.User, have, r.Offset)
					}
					next[u.User] = max(have, r.Offset)
				}
			}
			return window.Outcome{Applied: len(users)}, nil
		})
		cfg := DefaultConfig()
		cfg.Lanes = lanes
		c, err := New(cfg, src, win, deadEnd{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		for end := time.Now().Add(time.Minute); src.reached(0) < 3000; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d lanes: committed up to %d of 3000", lanes, src.reached(0))
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
