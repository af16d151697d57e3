package window

import (
	"fmt"
	"strconv"
	"testing"
)

// BenchmarkState_Apply appends to a full window: the trainer's cost per event.
func BenchmarkState_Apply(b *testing.B) {
	s, r := new(State), DefaultRules()
	b.ReportAllocs()
	for i := range b.N {
		s.ApplyOne(r, 0, named(view(int64(i), "item-12345", i), "event"+strconv.Itoa(i)))
	}
}

// BenchmarkStore_Apply appends one event of each of 1,000 users with full windows per call; ns/event counts client and
// server. The script runs on the server TEST_REDIS names, or slowly on miniredis.
func BenchmarkStore_Apply(b *testing.B) {
	const users = 1000
	for _, be := range backends(b) {
		b.Run(be.name, func(b *testing.B) {
			s := open(b, be, DefaultRules())
			batch := make([]UserBatch, users)
			fill := func(from, n int) {
				for u := range batch {
					recs := make([]Record, n)
					for i := range recs {
						recs[i] = named(view(int64(from+i), "item-12345", from+i), fmt.Sprintf("event-%d-%d", u, from+i))
					}
					batch[u] = UserBatch{"user-" + strconv.Itoa(u), 0, recs}
				}
			}
			fill(0, s.rules.Len)
			apply(b, s, batch...)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				b.StopTimer()
				fill(s.rules.Len+i, 1)
				b.StartTimer()
				apply(b, s, batch...)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*users), "ns/event")
		})
	}
}

// BenchmarkStore_Window reads full windows one after the other.
func BenchmarkStore_Window(b *testing.B) {
	be := backends(b)[1]
	s := open(b, be, DefaultRules())
	recs := make([]Record, s.rules.Len)
	for i := range recs {
		recs[i] = named(view(int64(i), "item-12345", i), "event-"+strconv.Itoa(i))
	}
	apply(b, s, UserBatch{"u", 0, recs})
	b.ReportAllocs()
	for b.Loop() {
		read(b, s, "u")
	}
}
