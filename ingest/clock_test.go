package ingest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// A producer's clock, by which its events and its records are dated, is set ahead and back by hours, and once by more than
// window.lateness. Each event stands where its own time says. What is older than the user's newest by more than the lateness is late, and
// counted as that; who sent nothing while the clock was wrong loses nothing.
func TestConsumer_producersClockSteps(t *testing.T) {
	b := newBench(t, "")
	day := 24 * time.Hour
	at := func(user string, n int, when time.Time) broker.Record {
		r := eventRecord(schema.Event{UserID: user, ItemID: fmt.Sprint("i", n), Timestamp: when})
		r.Time = when
		return r
	}
	right := start.Add(10 * day)
	clocks := []time.Duration{0, 6 * time.Hour, -6 * time.Hour, 0, 5 * day, 0, 0}
	var recs []broker.Record
	for n, off := range clocks {
		when := right.Add(time.Duration(n)*time.Minute + off)
		recs = append(recs, at("hours", n, right.Add(time.Duration(n)*time.Minute+off%day)), at("days", n, when))
		if off == 0 {
			recs = append(recs, at("quiet", n, when))
		}
	}
	b.publish(recs...)
	c := b.consume()
	b.committed(b.cfg.Topic)
	for user, want := range map[string][]string{
		"hours": {"i2", "i0", "i3", "i4", "i5", "i6", "i1"},
		"days":  {"i2", "i0", "i3", "i1", "i4"}, // 5 and 6 are late behind 4
		"quiet": {"i0", "i3", "i5", "i6"},
	} {
		w, err := b.windows().Window(b.ctx, user)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range w.Entries {
			got = append(got, e.ItemID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("window of %s: %v, want %v", user, got, want)
		}
	}
	if dead := b.readAll(b.cfg.DeadLetterTopic); len(dead) != 0 {
		t.Errorf("%d dead letters: records and events have one clock", len(dead))
	}
	if err := c.halt(); err != nil {
		t.Error(err)
	}
}
