package broker

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// stubborn is a ledger that answers with an error while there is one.
type stubborn struct {
	ledger
	fault atomic.Pointer[error]
}

func (s *stubborn) Lives(ctx context.Context, topic string) (map[int][]Life, error) {
	if err := s.fault.Load(); err != nil && *err != nil {
		return nil, *err
	}
	return s.ledger.Lives(ctx, topic)
}

// A member that cannot ask where to begin says how much waits, counts its waits as those for the store, and begins when it can.
func TestGroupSource_waitsForTheLedger(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 2)
	ctx := within(t, 30*time.Second)
	if err := producer(t, cfg).Publish(ctx, name, numbered(0, 50, 10)...); err != nil {
		t.Fatal(err)
	}
	var away error = syscall.ECONNREFUSED
	lives := &stubborn{}
	lives.fault.Store(&away)
	var waits atomic.Int64
	s, err := NewGroupSource(cfg, name, name+"-g", WithLives(lives), WithRegisterer(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.CountStoreWaits(func() { waits.Add(1) })
	eventually(t, "it tells what waits", func() bool {
		lag, err := s.Lag(ctx)
		return err == nil && lag[0]+lag[1] == 50 && waits.Load() > 1
	})
	before, waited := testutil.ToFloat64(s.metrics.errors), waits.Load() // a fresh cluster may have refused the first join
	eventually(t, "it goes on waiting", func() bool { return waits.Load() > waited+1 })
	if n := testutil.ToFloat64(s.metrics.errors); n > before {
		t.Errorf("%v errors of the broker are counted for waits for the store", n-before)
	}
	lives.fault.Store(new(error))
	if err := s.Commit(ctx, fetchN(t, s, 50)); err != nil {
		t.Fatal(err)
	}
	lives.fault.Store(&away)
	s.Rewind()
	eventually(t, "nothing waits", func() bool {
		lag, err := s.Lag(ctx)
		return err == nil && len(lag) == 2 && lag[0]+lag[1] == 0
	})
}

// A ledger that refuses for good ends the reading with its reason, until Rewind; with it a source of all partitions ends too.
func TestSources_endWithARefusalOfTheLedger(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 1)
	if err := producer(t, cfg).Publish(within(t, 20*time.Second), name, numbered(0, 5, 5)...); err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("refused")
	lives := &stubborn{}
	lives.fault.Store(&refusal)
	s, err := NewGroupSource(cfg, name, name+"-g", WithLives(lives))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	all, err := NewPartitionSource(cfg, name, nil, WithLives(lives))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = all.Close() })
	for range 2 {
		if _, err := s.Fetch(within(t, 20*time.Second), 1, 0); !errors.Is(err, refusal) {
			t.Errorf("a member: %v", err)
		}
		if _, err := all.Fetch(within(t, 20*time.Second), 1, 0); !errors.Is(err, refusal) {
			t.Errorf("a reader of all partitions: %v", err)
		}
	}
	lives.fault.Store(new(error))
	s.Rewind()
	fetchN(t, s, 5)
}
