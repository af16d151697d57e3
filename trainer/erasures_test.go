package trainer

import (
	"fmt"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/schema"
)

// What a receipt covers before its tombstone was read, and after; of several the newest counts.
func TestErasures(t *testing.T) {
	at := func(sec int) time.Time { return epoch.Add(time.Duration(sec) * time.Second) }
	e := erasures{}
	check := func(when string, partition, sec int, want bool) {
		t.Helper()
		if got := e.cover("u", broker.Record{Partition: partition, Time: at(sec)}); got != want {
			t.Errorf("%s: a record of partition %d at %d s is covered: %v", when, partition, sec, got)
		}
	}
	check("nobody was forgotten", 0, 0, false)
	e.note(schema.Deletion{ID: "late", UserID: "u", Requested: at(20)}, unread)
	e.note(schema.Deletion{ID: "early", UserID: "u", Requested: at(10)}, unread)
	for sec, want := range map[int]bool{15: true, 20: true, 21: false} {
		check("receipt", 0, sec, want)
		check("receipt", 1, sec, want)
	}
	e.note(schema.Deletion{ID: "early", UserID: "u", Requested: at(10)}, 0)
	check("the older tombstone was read", 0, 15, true)
	e.note(schema.Deletion{ID: "late", UserID: "u", Requested: at(19)}, 1) // by another clock than the receipt
	check("the tombstone was read", 1, 15, false)
	check("the tombstone was read", 0, 18, true)
	check("the tombstone was read", 0, 19, false)
	if e.cover("v", broker.Record{Time: at(15)}) || e.cover("u", broker.Record{}) {
		t.Error("another user, or a record without a time, is covered")
	}
	e.note(schema.Deletion{ID: "timeless", UserID: "v"}, unread)
	if len(e) != 1 {
		t.Errorf("%d erasures", len(e))
	}
	for i := range 9 {
		e.note(schema.Deletion{ID: "d", UserID: fmt.Sprint(i), Requested: at(100 - i)}, unread)
	}
	if e.prune(5); len(e) != 5 || e[userKey("4")].at == 0 || e[userKey("5")].at != 0 {
		t.Errorf("of ten the newest five are to stay: %v", e)
	}
}

// A trainer without its checkpoint reads tombstones whose receipts have long expired: it opens none of those again, which nobody else would
// confirm. It once did.
func TestTrainer_opensNoExpiredReceipt(t *testing.T) {
	b := newBench(t, nil)
	b.gone = &receipts{opened: map[string]schema.Deletion{}, parts: map[string][]string{}}
	now := time.Now()
	gone := []schema.Deletion{{ID: "old", UserID: "a", Requested: now.Add(-deletion.TTL - time.Hour)}, {ID: "new", UserID: "b", Requested: now.Add(time.Hour - deletion.TTL)}, {ID: "timeless", UserID: "c"}}
	if err := b.make().forgotten(t.Context(), gone, handed{}); err != nil {
		t.Fatal(err)
	}
	if got := b.gone.opened; len(got) != 2 || got["old"].ID != "" {
		t.Errorf("opened: %v", got)
	}
	for _, d := range gone {
		if !b.gone.confirmed(d.ID)() {
			t.Errorf("%q is not confirmed, which it may need all the same", d.ID)
		}
	}
}

// A receipt by a clock that is ahead keeps out what is from before the start, and nothing that comes.
func TestTrainer_recallsAReceiptByAClockAhead(t *testing.T) {
	b := newBench(t, nil)
	now := time.Now()
	b.gone = &receipts{opened: map[string]schema.Deletion{"d": {ID: "d", UserID: "u", Requested: now.AddDate(10, 0, 0)}}, parts: map[string][]string{}}
	tr := b.make()
	if err := tr.recall(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, after := broker.Record{Time: now.Add(-time.Second)}, broker.Record{Time: now.Add(time.Minute)}
	if e := tr.collector.erased; !e.cover("u", before) || e.cover("u", after) {
		t.Errorf("covered before: %v, after: %v", e.cover("u", before), e.cover("u", after))
	}
}
