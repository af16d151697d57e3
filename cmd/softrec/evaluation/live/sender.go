package live

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
	"github.com/softrec/softrec/ingest/broker"
)

// Baskets that may wait for the broker, and about how many records travel together.
const (
	waiting  = 1024
	together = 500
)

// parcel is one basket on its way to the broker.
type parcel struct {
	items, events []broker.Record
	due           time.Time
	timed         bool
	sent          chan struct{} // closed when everything up to here was sent, or given up; nil where nobody waits
}

// publisher is the part of broker.Producer a sender needs.
type publisher interface {
	Publish(ctx context.Context, topic string, recs ...broker.Record) error
}

// sender hands baskets to the broker in their order, without anybody waiting for it: a shop does not wait, either. Baskets
// that come while a call is under way travel together in the next. After a fault it takes parcels and drops them.
type sender struct {
	pub               publisher
	topic, itemsTopic string
	queue             chan parcel
	ended             chan struct{}
	fault             atomic.Pointer[error]
	took              []float32 // ms from a basket's turn to the broker's word; the goroutine's own between two barriers
}

// newSender starts a sender; ctx ends what it does for the broker, close its goroutine.
func newSender(ctx context.Context, pub publisher, topic, itemsTopic string) *sender {
	s := &sender{pub: pub, topic: topic, itemsTopic: itemsTopic, queue: make(chan parcel, waiting), ended: make(chan struct{})}
	go s.run(ctx)
	return s
}

func (s *sender) run(ctx context.Context) {
	defer close(s.ended)
	for p := range s.queue {
		load := s.load(p)
		if s.fault.Load() == nil {
			if err := s.send(ctx, load); err != nil {
				s.fault.Store(&err)
			}
		}
		for _, p := range load {
			if p.sent != nil {
				close(p.sent)
			}
		}
	}
}

// load is first with what waits behind it.
func (s *sender) load(first parcel) []parcel {
	load := []parcel{first}
	for n := len(first.events); n < together; {
		select {
		case p, more := <-s.queue:
			if !more {
				return load
			}
			load, n = append(load, p), n+len(p.events)
		default:
			return load
		}
	}
	return load
}

// send sends the catalogue's part first: an item is then known before somebody had it.
func (s *sender) send(ctx context.Context, load []parcel) error {
	var items, events []broker.Record
	for _, p := range load {
		items, events = append(items, p.items...), append(events, p.events...)
	}
	if err := s.pub.Publish(ctx, s.itemsTopic, items...); err != nil {
		return fmt.Errorf("send %d items: %w", len(items), err)
	}
	if err := s.pub.Publish(ctx, s.topic, events...); err != nil {
		return fmt.Errorf("send %d events: %w", len(events), err)
	}
	for _, p := range load {
		if p.timed {
			s.took = append(s.took, float32(time.Since(p.due).Seconds()*1000))
		}
	}
	return nil
}

// add queues a basket; it waits only where the broker is far behind.
func (s *sender) add(b *rival.Basket, timed bool) error {
	p := parcel{due: time.Now(), timed: timed}
	for _, it := range b.New {
		value, err := json.Marshal(it)
		if err != nil {
			return fmt.Errorf("encode item %q: %w", it.ID, err)
		}
		p.items = append(p.items, broker.Record{Key: []byte(it.ID), Value: value})
	}
	for _, e := range b.Events() {
		value, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode event %q: %w", e.EventID, err)
		}
		p.events = append(p.events, broker.Record{Key: []byte(e.UserID), Value: value})
	}
	s.queue <- p
	return s.err()
}

// err is the fault that ended the sending, nil for none.
func (s *sender) err() error {
	if fault := s.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// flush returns when everything so far was sent, with the times it took.
func (s *sender) flush() ([]float32, error) {
	sent := make(chan struct{})
	s.queue <- parcel{sent: sent}
	<-sent
	return s.took, s.err()
}

// close sends what waits and ends the goroutine. Nothing may be added after it.
func (s *sender) close() {
	close(s.queue)
	<-s.ended
}
