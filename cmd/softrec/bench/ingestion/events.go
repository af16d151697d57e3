package ingestion

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// items is how many different items the events name.
const items = 20_000

// record is one event as producers send it.
func record(e schema.Event) (broker.Record, error) {
	value, err := json.Marshal(e)
	if err != nil {
		return broker.Record{}, fmt.Errorf("encode event %q: %w", e.EventID, err)
	}
	return broker.Record{Key: []byte(e.UserID), Value: value}, nil
}

// event is number n of a stream: what a shop sends, with an id and a session.
func event(rng *rand.Rand, n int, users []string, at time.Time) schema.Event {
	u := rng.IntN(len(users))
	return schema.Event{
		EventID: fmt.Sprintf("0198a7f2-%012x", n), UserID: users[u], ItemID: fmt.Sprintf("item-%d", rng.IntN(items)),
		Type: schema.DefaultType, Timestamp: at, SessionID: fmt.Sprintf("session-%d-%d", u, n/100_000),
	}
}

// fill writes n events to topic, a millisecond apart, ending now.
func (s *site) fill(ctx context.Context, topic string, n int, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	start := time.Now().Add(-time.Duration(n) * time.Millisecond)
	const together = 4000
	recs := make([]broker.Record, 0, together)
	for i := range n {
		r, err := record(event(rng, i, s.users, start.Add(time.Duration(i)*time.Millisecond)))
		if err != nil {
			return err
		}
		if recs = append(recs, r); len(recs) == together || i == n-1 {
			if err := s.producer.Publish(ctx, topic, recs...); err != nil {
				return err
			}
			recs = recs[:0]
		}
	}
	return nil
}
