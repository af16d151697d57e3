package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// shelf is a broker that takes one call at a time when it is told to, and fails from some call on.
type shelf struct {
	mu    sync.Mutex
	keys  map[string][]string // by topic
	calls int
	fail  int // first call that fails; 0 for none
	gate  chan struct{}
}

func (s *shelf) Publish(_ context.Context, topic string, recs ...broker.Record) error {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(recs) == 0 {
		return nil
	}
	if s.calls++; s.fail > 0 && s.calls >= s.fail {
		return errors.New("full")
	}
	for _, r := range recs {
		s.keys[topic] = append(s.keys[topic], string(r.Key))
	}
	return nil
}

func basket(n int) *rival.Basket {
	b := &rival.Basket{Number: n, UserID: fmt.Sprint("u", n), At: time.Unix(1_300_000_000, 0), New: []schema.Item{{ID: fmt.Sprint("i", n)}}}
	for range 1 + n%3 {
		b.Lines = append(b.Lines, rival.Line{ID: fmt.Sprint("i", n), Type: "view", Source: int32(n)})
	}
	return b
}

// Whatever is added arrives once and in its order, also when the broker is slower than the shop; a barrier waits for it.
func TestSender_keepsTheOrder(t *testing.T) {
	to := &shelf{keys: map[string][]string{}, gate: make(chan struct{})}
	s := newSender(t.Context(), to, "events", "items")
	var want, items []string
	for n := range 400 {
		if err := s.add(basket(n), n >= 100); err != nil {
			t.Fatal(err)
		}
		for range 1 + n%3 {
			want = append(want, fmt.Sprint("u", n))
		}
		items = append(items, fmt.Sprint("i", n))
	}
	close(to.gate)
	took, err := s.flush()
	if err != nil || len(took) != 300 {
		t.Errorf("%d times, want 300: %v", len(took), err)
	}
	if !slices.Equal(to.keys["events"], want) || !slices.Equal(to.keys["items"], items) {
		t.Error("events or items came in another order")
	}
	if to.calls > 20 {
		t.Errorf("%d calls for what waited together", to.calls)
	}
	s.close()
}

// After a fault nothing is sent any more, everybody is told, and nobody waits for ever.
func TestSender_saysItsFault(t *testing.T) {
	to := &shelf{keys: map[string][]string{}, fail: 4}
	s := newSender(t.Context(), to, "events", "items")
	for n := range 2 {
		_ = s.add(basket(n), true)
		if _, err := s.flush(); n == 0 && err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.flush(); err == nil || !strings.Contains(err.Error(), "send 2 events: full") {
		t.Errorf("got %v", err)
	}
	for n := range 2 * waiting {
		if err := s.add(basket(n), true); err == nil {
			t.Fatal("a fault is forgotten")
		}
	}
	if len(to.keys["events"]) != 1 || to.calls != 4 {
		t.Errorf("%d calls, events of %v", to.calls, to.keys["events"])
	}
	s.close()
}
