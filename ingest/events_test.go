package ingest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// start is when the events of these tests begin.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// eventRecord is e as a producer sends it.
func eventRecord(e schema.Event) broker.Record {
	if e.Type == "" {
		e.Type = schema.DefaultType
	}
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // a test's own event
	}
	return broker.Record{Key: []byte(e.UserID), Value: b}
}

// randomRecords is n events of users with repeats, retries, late ones and tombstones among them.
func randomRecords(rng *rand.Rand, n, users int) []broker.Record {
	recs := make([]broker.Record, 0, n)
	for i := range n {
		e := schema.Event{
			EventID: fmt.Sprintf("e%d", i), UserID: fmt.Sprintf("u%d", rng.IntN(users)), ItemID: fmt.Sprintf("i%d", rng.IntN(50)),
			Timestamp: start.Add(time.Duration(i) * time.Second), Value: float64(rng.IntN(3)),
		}
		switch rng.IntN(20) {
		case 0: // a producer's retry
			if i > 0 {
				recs = append(recs, recs[rng.IntN(len(recs))])
				continue
			}
		case 1: // out of order
			e.Timestamp = e.Timestamp.Add(-time.Duration(rng.IntN(3600)) * time.Second)
		case 2: // hopelessly late
			e.Timestamp = e.Timestamp.Add(-48 * time.Hour)
		case 3:
			if rng.IntN(10) == 0 {
				recs = append(recs, broker.Record{Key: []byte(e.UserID)})
				continue
			}
		case 4: // without an id
			e.EventID = ""
		}
		recs = append(recs, eventRecord(e))
	}
	return recs
}
