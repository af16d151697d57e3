package ingest

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/progress"
)

// ledger is a Source that only takes commits, and a Durable.
type ledger struct {
	mu        sync.Mutex
	applied   int64 // newest offset in the store
	safe      int64 // newest offset a finished sync covers
	committed int64
	syncs     int
	syncTakes time.Duration
	syncErr   error
	commitErr error
	broken    string // a rule that was broken
}

func (l *ledger) Fetch(ctx context.Context, _ int, _ time.Duration) ([]broker.Record, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (l *ledger) Sync(context.Context) error {
	l.mu.Lock()
	covers, err := l.applied, l.syncErr
	l.syncs++
	l.mu.Unlock()
	time.Sleep(l.syncTakes)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.safe = covers
	}
	return err
}

func (l *ledger) Commit(_ context.Context, recs []broker.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.commitErr != nil {
		return l.commitErr
	}
	for _, r := range recs {
		if r.Offset > l.safe {
			l.broken = "committed what no finished sync covers"
		}
		l.committed = max(l.committed, r.Offset)
	}
	return nil
}

// state reads what the committer's goroutine writes.
func (l *ledger) state() (committed int64, syncs int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.committed, l.syncs
}

func (l *ledger) apply(c *committer, offset int64) {
	l.mu.Lock()
	l.applied = offset
	l.mu.Unlock()
	c.applied([]broker.Record{{Offset: offset}})
}

// bubble runs a committer over l in a synctest bubble.
func bubble(t *testing.T, l *ledger, durable Durable, test func(c *committer)) {
	synctest.Test(t, func(t *testing.T) {
		m, err := newMetrics(nil, "t")
		if err != nil {
			t.Fatal(err)
		}
		o := newOptions(nil)
		o.durable = durable
		c := newCommitter(l, DefaultConfig(), o, m)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); c.run(ctx) }()
		test(c)
		stop()
		<-done
		if l.broken != "" {
			t.Error(l.broken)
		}
	})
}

func TestCommitter_durable(t *testing.T) {
	l := &ledger{syncTakes: 300 * time.Millisecond}
	bubble(t, l, l, func(c *committer) {
		for off := int64(1); off <= 2000; off++ { // 20 s
			l.apply(c, off)
			time.Sleep(10 * time.Millisecond)
		}
		committed, syncs := l.state()
		if committed == 0 {
			t.Error("nothing was committed")
		}
		if busy := time.Duration(syncs) * l.syncTakes; busy > 3*time.Second {
			t.Errorf("syncs took %s of 20s", busy)
		}
		time.Sleep(10 * time.Second)
		if committed, syncs = l.state(); committed != 2000 {
			t.Errorf("committed %d of 2000 when all was quiet", committed)
		}
		time.Sleep(time.Minute)
		if _, now := l.state(); now != syncs {
			t.Errorf("%d syncs with nothing to commit", now-syncs)
		}
	})
}

func TestCommitter_failures(t *testing.T) {
	l := &ledger{syncErr: errors.New("disk full")}
	bubble(t, l, l, func(c *committer) {
		l.apply(c, 7)
		time.Sleep(5 * time.Second)
		l.mu.Lock()
		if l.committed != 0 || l.syncs < 2 {
			t.Errorf("committed %d after %d failed syncs", l.committed, l.syncs)
		}
		l.syncErr, l.commitErr = nil, errors.New("rebalance")
		l.mu.Unlock()
		time.Sleep(5 * time.Second)
		l.mu.Lock()
		l.commitErr = nil
		l.mu.Unlock()
		time.Sleep(5 * time.Second)
		if committed, _ := l.state(); committed != 7 {
			t.Errorf("committed %d, want 7", committed)
		}
	})
}

func TestCommitter_atOnceWithoutDurable(t *testing.T) {
	l := &ledger{safe: 1 << 60}
	bubble(t, l, nil, func(c *committer) {
		l.apply(c, 3)
		synctest.Wait()
		if committed, _ := l.state(); committed != 3 {
			t.Errorf("committed %d, want 3", committed)
		}
	})
}

// shards are a cluster whose places lie on another node than what is applied: they are noted whatever becomes of that one.
type shards struct {
	quietSource
	look  error // what a look meets from the first sync on
	syncs int
	noted int
}

func (s *shards) Sync(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncs++
	return nil
}

func (s *shards) Look(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.syncs == 0 {
		return nil
	}
	return s.look
}

func (s *shards) Note(context.Context, string, map[int]int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted++
	return nil
}

// A node that dies while the store is awaited takes what it had just acknowledged along. The place once went past it, as it lies on another node:
// what was lost was not read again. A refusal of the store the consumer is told of, as of one of its ledger.
func TestCommitter_aNodeDiesDuringTheSync(t *testing.T) {
	restarted := &progress.RestartedError{RunID: "another"}
	for name, c := range map[string]struct {
		look error
		told bool
	}{"away": {syscall.ECONNREFUSED, false}, "back as another process": {restarted, true}, "refuses the login": {loginRefused{}, true}} {
		t.Run(name, func(t *testing.T) {
			s := &shards{look: c.look}
			m, err := newMetrics(nil, "t")
			if err != nil {
				t.Fatal(err)
			}
			o := newOptions([]Option{WithAwaited(s), WithLedger(s, nil)})
			committer := newCommitter(s, DefaultConfig(), o, m)
			var told error
			committer.onHopeless(func(err error) { told = err })
			committer.applied([]broker.Record{{Topic: "t", Offset: 7}})
			if committer.flush(t.Context()) || s.noted != 0 || s.committed != 0 {
				t.Errorf("noted %d times, committed %d times; want neither", s.noted, s.committed)
			}
			if (told != nil) != c.told {
				t.Errorf("the consumer was told of %v", told)
			}
			s.look = nil // as for a node that was only slow to answer
			if !committer.flush(t.Context()) || s.noted != 1 || s.committed != 1 {
				t.Errorf("with all nodes there noted %d times, committed %d times; want once each", s.noted, s.committed)
			}
		})
	}
}
