package ingest

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/progress"
	"github.com/softrec/softrec/ingest/retry"
)

// quietSource has nothing to fetch, and counts.
type quietSource struct {
	mu                 sync.Mutex
	rewound, committed int
}

func (q *quietSource) Fetch(ctx context.Context, _ int, _ time.Duration) ([]broker.Record, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (q *quietSource) Commit(context.Context, []broker.Record) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.committed++
	return nil
}

func (q *quietSource) Rewind() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rewound++
}

type noLetters struct{}

func (noLetters) Publish(context.Context, string, ...broker.Record) error { return nil }

// fencedLedger is of a Redis that was restarted: it notes nothing before it is accepted.
type fencedLedger struct {
	mu       sync.Mutex
	accepted bool
	noted    int
	looks    bool // a look meets the fence too, not only a note
}

func (l *fencedLedger) Note(context.Context, string, map[int]int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.accepted {
		return &progress.RestartedError{RunID: "another"}
	}
	l.noted++
	return nil
}

func (l *fencedLedger) Look(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.looks && !l.accepted {
		return &progress.RestartedError{RunID: "another"}
	}
	return nil
}

func (l *fencedLedger) accept(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted = true
	return nil
}

// A restart of the store makes the consumer go back with nothing in hand and nothing to fetch too, whether offsets are to be noted or nothing is.
// It once noted again for ever: a run of softrec chaos stood still after its 130th fault. And one without anything to note noticed nothing.
func TestStream_restartIsNoticedByTheCommitter(t *testing.T) {
	for _, c := range []struct {
		name    string
		looks   bool
		pending []broker.Record
	}{{"noting", false, []broker.Record{{Topic: "t", Offset: 7}}}, {"with nothing to note", true, nil}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { goesBackOnce(t, &fencedLedger{looks: c.looks}, c.pending) })
		})
	}
}

func goesBackOnce(t *testing.T, l *fencedLedger, pending []broker.Record) {
	src := &quietSource{}
	s, err := newStream(DefaultConfig(), src, noLetters{}, "t", []Option{WithLogger(testLog(t)), WithLedger(l, l.accept), WithRetry(retry.DefaultPolicy())})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.run(ctx, func(ctx context.Context) error {
			return s.consume(ctx, func(context.Context, []broker.Record) error { return nil })
		}, func(context.Context) {})
	}()
	s.commit.applied(pending)
	time.Sleep(time.Minute)
	synctest.Wait()
	src.mu.Lock()
	if src.rewound != 1 || src.committed != 0 {
		t.Errorf("rewound %d times, committed %d times; want to go back once and commit nothing of before", src.rewound, src.committed)
	}
	src.mu.Unlock()
	s.commit.applied([]broker.Record{{Topic: "t", Offset: 3}})
	time.Sleep(time.Minute)
	synctest.Wait()
	src.mu.Lock()
	if src.rewound != 1 || src.committed != 1 {
		t.Errorf("afterwards rewound %d times, committed %d times; want 1 and 1", src.rewound, src.committed)
	}
	src.mu.Unlock()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
