package ingest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
)

// BenchmarkEventToWindow measures one event from the call of Publish to its place in the window, as a reader sees it.
func BenchmarkEventToWindow(b *testing.B) {
	w := newBench(b, "")
	w.consume()
	p, store := w.producer(), w.windows()
	took := make([]time.Duration, 0, b.N)
	for i := 0; b.Loop(); i++ {
		user := fmt.Sprintf("u%d", i%100)
		start := time.Now()
		if err := p.Publish(w.ctx, w.cfg.Topic, eventRecord(schema.Event{UserID: user, ItemID: fmt.Sprint("i", i), Timestamp: start})); err != nil {
			b.Fatal(err)
		}
		for {
			win, err := store.Window(w.ctx, user)
			if err != nil {
				b.Fatal(err)
			}
			if n := len(win.Entries); n > 0 && win.Entries[n-1].ItemID == fmt.Sprint("i", i) {
				break
			}
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	for name, q := range map[string]float64{"p50_ms": 0.5, "p99_ms": 0.99} {
		b.ReportMetric(float64(took[int(q*float64(len(took)-1))].Microseconds())/1000, name)
	}
}

// BenchmarkIngest measures 20,000 events of 5,000 users from Publish to the commit; producer, broker and Redis share the cores.
func BenchmarkIngest(b *testing.B) {
	w := newBench(b, "")
	const n = 20_000
	recs := randomRecords(rand.New(rand.NewPCG(8, 8)), n, 5000)
	c := w.consume()
	p := w.producer()
	for b.Loop() {
		for part := range slices.Chunk(recs, 4000) {
			if err := p.Publish(w.ctx, w.cfg.Topic, part...); err != nil {
				b.Fatal(err)
			}
		}
		w.committed(w.cfg.Topic)
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "events/s")
	if err := c.halt(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkDecode is the cost of making 2,000 records ready for the windows.
func BenchmarkDecode(b *testing.B) {
	recs := randomRecords(rand.New(rand.NewPCG(9, 9)), 2000, 1000)
	b.ReportAllocs()
	for b.Loop() {
		decode(recs, time.Minute)
	}
	b.ReportMetric(float64(b.N*len(recs))/b.Elapsed().Seconds(), "events/s")
}
