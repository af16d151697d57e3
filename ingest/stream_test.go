package ingest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

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

// handySource gives one record first, and one after each return to where the store is.
type handySource struct {
	quietSource
	given int
}

func (h *handySource) Fetch(ctx context.Context, most int, delay time.Duration) ([]broker.Record, error) {
	h.mu.Lock()
	give := h.given == h.rewound
	if give {
		h.given++
	}
	h.mu.Unlock()
	if give {
		return []broker.Record{{Topic: "t", Offset: 7}}, nil
	}
	return h.quietSource.Fetch(ctx, most, delay)
}

// refusingLedger is of a Redis that does not take the login any more.
type refusingLedger struct{ fencedLedger }

// loginRefused is Redis's answer.
type loginRefused struct{}

func (loginRefused) Error() string { return "NOAUTH Authentication required." }
func (loginRefused) RedisError()   {}

func (*refusingLedger) Note(context.Context, string, map[int]int64) error { return loginRefused{} }

// What the committer hears while a batch in hand cannot end is not lost over the batch's own error: after a restart the consumer goes back, and a
// refusal is what it ends with, in one line. It once ended with "context canceled" both times.
func TestStream_theCommittersReasonOutlivesTheBatch(t *testing.T) {
	t.Run("restarted", func(t *testing.T) { synctest.Test(t, goesBackWithABatchInHand) })
	t.Run("refused", func(t *testing.T) { synctest.Test(t, endsWithTheRefusal) })
}

func goesBackWithABatchInHand(t *testing.T) {
	l := &fencedLedger{looks: true}
	src := &handySource{}
	s, done, stop := inHand(t, src, l, l.accept)
	time.Sleep(time.Minute)
	synctest.Wait()
	src.mu.Lock()
	if src.rewound != 1 || src.given != 2 {
		t.Errorf("rewound %d times, fetched %d batches; want 1 and 2", src.rewound, src.given)
	}
	src.mu.Unlock()
	stop()
	if err := <-done; err == nil || errors.As(err, new(*progress.RestartedError)) {
		t.Errorf("a stop with a batch in hand: %v", err)
	}
	if got := testutil.ToFloat64(s.metrics.rewinds); got != 1 {
		t.Errorf("%g rewinds are counted", got)
	}
}

func endsWithTheRefusal(t *testing.T) {
	l := &refusingLedger{}
	s, done, stop := inHand(t, &handySource{}, l, l.accept)
	defer stop()
	s.commit.applied([]broker.Record{{Topic: "t", Offset: 3}})
	time.Sleep(time.Minute)
	synctest.Wait()
	select {
	case err := <-done:
		if !errors.As(err, new(loginRefused)) || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "\n") {
			t.Errorf("the store refuses: %v", err)
		}
	default:
		t.Fatal("it goes on though the store refuses")
	}
}

// inHand runs a stream whose store takes no batch for as long as it is waited for.
func inHand(t *testing.T, src Source, l Ledger, accept func(context.Context) error) (s *stream, done chan error, stop context.CancelFunc) {
	s, err := newStream(DefaultConfig(), src, noLetters{}, "t", []Option{WithLogger(testLog(t)), WithLedger(l, accept), WithRetry(retry.DefaultPolicy())})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done = make(chan error, 1)
	go func() {
		done <- s.run(ctx, func(ctx context.Context) error {
			return s.consume(ctx, func(ctx context.Context, _ []broker.Record) error {
				return retry.Do(ctx, s.opts.policy, nil, func(context.Context) error { return syscall.ECONNREFUSED })
			})
		}, func(context.Context) {})
	}()
	return s, done, stop
}
