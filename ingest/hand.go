package ingest

import (
	"sync"
	"time"

	"github.com/softrec/softrec/ingest/broker"
)

// hand is what a consumer has taken from its source and not applied, and since when its partitions wait.
type hand struct {
	mu      sync.Mutex
	batches []taken // oldest first
	records int64
	applied map[int]applied   // by partition: the newest of its records in a batch that was applied
	since   map[int]time.Time // by partition: when records were first seen to wait, with none before
}

// taken is a batch in a hand.
type taken struct {
	records int64
	oldest  map[int]time.Time // by partition: time of its oldest record; zero where no record tells
}

// applied is a partition's part of a batch that was applied.
type applied struct{ oldest, at time.Time }

// take adds a batch and returns how many records are in hand.
func (h *hand) take(recs []broker.Record) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.batches = append(h.batches, taken{records: int64(len(recs)), oldest: oldest(recs)})
	h.records += int64(len(recs))
	return h.records
}

// done takes the oldest batch off, applied at a time, and returns how many records are left.
func (h *hand) done(at time.Time) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.batches[0]
	if h.applied == nil {
		h.applied = map[int]applied{}
	}
	for p, t := range b.oldest {
		h.applied[p] = applied{t, at}
	}
	h.batches = h.batches[1:]
	h.records -= b.records
	return h.records
}

// drop empties the hand.
func (h *hand) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.batches, h.records = nil, 0
}

// size is how many records are in hand.
func (h *hand) size() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.records
}

// waits is the time of the oldest record that waits, as far as it is known, and zero where none does. lags is how many are not in hand, by
// partition. What is in hand tells its own time; what is not is younger than what was applied of its partition while it waited, or waits
// since it was first seen. Of another partition nothing follows: it may stand still while others flow.
func (h *hand) waits(lags map[int]int64, now time.Time) (first time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	waiting := map[int]time.Time{} // by partition: time of its oldest record in hand, zero where none is or tells
	for p, n := range lags {
		if n > 0 {
			waiting[p] = time.Time{}
		}
	}
	held := map[int]bool{}
	for _, b := range h.batches {
		for p, t := range b.oldest {
			held[p], waiting[p] = true, earlier(waiting[p], t)
		}
	}
	since := make(map[int]time.Time, len(waiting))
	for p, own := range waiting {
		var ok bool
		if since[p], ok = h.since[p]; !ok {
			since[p] = now
		}
		last := h.applied[p]
		switch {
		case !own.IsZero():
			first = earlier(first, own)
		case !held[p] && last.at.After(since[p]) && !last.oldest.IsZero():
			first = earlier(first, last.oldest)
		default:
			first = earlier(first, since[p])
		}
	}
	h.since = since
	return first
}

// oldest is the earliest time of recs by partition, zero where none of its records tells.
func oldest(recs []broker.Record) map[int]time.Time {
	first := map[int]time.Time{}
	for _, r := range recs {
		first[r.Partition] = earlier(first[r.Partition], r.Time)
	}
	return first
}

// earlier is the earlier one of two times, of which a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// since is how long ago a time was, never negative and 0 where it is none.
func since(t, now time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(0, now.Sub(t))
}
