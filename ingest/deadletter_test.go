package ingest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// narrow is a dead-letter topic that takes so many bytes of keys and values, and its headers, at once.
type narrow struct {
	most int
	took []broker.Record
}

func (n *narrow) Publish(_ context.Context, _ string, recs ...broker.Record) error {
	size := 0
	for _, r := range recs {
		size += len(r.Key) + len(r.Value)
	}
	if size > n.most {
		return fmt.Errorf("publish: %w", kafka.MessageSizeTooLarge)
	}
	n.took = append(n.took, recs...)
	return nil
}

// What the dead-letter topic does not take whole it takes cut, down to the headers alone; what fits is set aside whole beside it. A record
// near max.message.bytes once ended ingest, after each start again.
func TestSetAside_tooLarge(t *testing.T) {
	at := func(offset int64, key, value int) poison {
		return poison{broker.Record{Topic: "t", Offset: offset, Key: make([]byte, key), Value: make([]byte, value)}, errors.New("no event")}
	}
	bad := []poison{at(0, 3, 10), at(1, 3, 1000), at(2, 700, 0), at(3, 3, 2<<20)}
	for _, c := range []struct {
		most int
		want []string // key and value bytes, and what was cut
	}{
		{3 << 20, []string{"3 10 ", "3 1000 ", "700 0 ", "3 917504 3, 2097152"}},
		{2000, []string{"3 10 ", "3 1000 ", "700 0 ", "3 1792 3, 2097152"}},
		{600, []string{"3 10 ", "3 500 3, 1000", "350 0 700, 0", "3 448 3, 2097152"}},
		{0, []string{"0 0 3, 10", "0 0 3, 1000", "0 0 700, 0", "0 0 3, 2097152"}},
	} {
		dead := &narrow{most: c.most}
		s, err := newStream(DefaultConfig(), &script{}, dead, "t", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.setAside(t.Context(), bad); err != nil {
			t.Errorf("%d bytes at most: %v", c.most, err)
		}
		for i, r := range dead.took {
			got := fmt.Sprint(len(r.Key), " ", len(r.Value), " ", r.Headers[HeaderCut])
			if r.Headers[HeaderOffset] != fmt.Sprint(i) || got != c.want[i] {
				t.Errorf("%d bytes at most: letter of offset %s is %q, want %q", c.most, r.Headers[HeaderOffset], got, c.want[i])
			}
		}
		if len(dead.took) != len(bad) {
			t.Errorf("%d bytes at most: %d letters", c.most, len(dead.took))
		}
	}
	dead := &narrow{most: -1}
	s, err := newStream(DefaultConfig(), &script{}, dead, "t", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.setAside(t.Context(), bad); !broker.TooLarge(err) {
		t.Errorf("a topic that takes no headers: %v", err)
	}
}

// The same on a broker, whose dead-letter topic takes less than that of the interactions.
func TestConsumer_deadLetterTooLarge(t *testing.T) {
	b := newBench(t, "")
	b.limit(b.cfg.DeadLetterTopic, 4000)
	rng := rand.New(rand.NewPCG(1, 6))
	large := make([]byte, 100_000)
	for i := range large {
		large[i] = byte(rng.Uint32()) // nothing to compress
	}
	probe := broker.Record{Value: large}
	b.eventually("the broker has heard of the limit", func() bool {
		return broker.TooLarge(b.producer().Publish(b.ctx, b.cfg.DeadLetterTopic, probe))
	})
	before := len(b.readAll(b.cfg.DeadLetterTopic))
	after := eventRecord(schema.Event{UserID: "after", ItemID: "i", Timestamp: start})
	b.publish(broker.Record{Key: after.Key, Value: []byte("poison")}, broker.Record{Key: after.Key, Value: large}, after)
	c := b.consume()
	b.committed(b.cfg.Topic)
	if w, err := b.windows().Window(b.ctx, "after"); err != nil || len(w.Entries) != 1 {
		t.Errorf("the event after it: %+v, %v", w, err)
	}
	dead := b.readAll(b.cfg.DeadLetterTopic)[before:]
	cut := 0
	for _, d := range dead {
		if d.Headers[HeaderCut] != "" && len(d.Value) > 1000 && len(d.Value) < 4000 {
			cut++
		}
	}
	if len(dead) != 2 || cut != 1 {
		t.Errorf("%d dead letters, %d of them cut; want the small one whole and the large one cut", len(dead), cut)
	}
	if err := c.halt(); err != nil {
		t.Error(err)
	}
}
