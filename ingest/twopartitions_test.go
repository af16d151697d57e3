package ingest

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// A producer's retry lands in another partition: it hashes the key in another way, or partitions were added in between. Each event
// counts once, wherever it came first.
func TestConsumer_sameEventInTwoPartitions(t *testing.T) {
	b := newBench(t, "")
	producer, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	const users, events = 20, 10
	send := func(partition int32, user, n int) *kgo.Record {
		r := eventRecord(schema.Event{EventID: fmt.Sprintf("e%d-%d", user, n), UserID: fmt.Sprint("u", user), ItemID: fmt.Sprint("i", n), Timestamp: start.Add(time.Duration(n) * time.Second)})
		return &kgo.Record{Topic: b.cfg.Topic, Partition: partition, Key: r.Key, Value: r.Value}
	}
	var recs []*kgo.Record
	for user := range users {
		for n := range events {
			recs = append(recs, send(int32(user%4), user, n), send(int32((user+1+n)%4), user, n)) // now and then the same one
		}
	}
	if err := producer.ProduceSync(b.ctx, recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c := b.consume()
	b.committed(b.cfg.Topic)
	for user := range users {
		w, err := b.windows().Window(b.ctx, fmt.Sprint("u", user))
		if err != nil {
			t.Fatal(err)
		}
		if w.Version != events || len(w.Entries) != events {
			t.Errorf("window of u%d: version %d, %d entries, want %d", user, w.Version, len(w.Entries), events)
		}
		for n, e := range w.Entries {
			if want := fmt.Sprint("i", n); e.ItemID != want {
				t.Errorf("window of u%d: entry %d is %s, want %s", user, n, e.ItemID, want)
			}
		}
		if len(w.Offsets) < 2 {
			t.Errorf("u%d has records in %d partitions: the test shows nothing", user, len(w.Offsets))
		}
	}
	if err := c.halt(); err != nil {
		t.Error(err)
	}
}

// A tombstone is read before older events of its user in another partition: these stay forgotten, what the user does later counts.
func TestDecode_forgottenInAnotherPartition(t *testing.T) {
	event := func(item string, offset int64, at time.Time) broker.Record {
		r := eventRecord(schema.Event{UserID: "u", ItemID: item, Timestamp: at})
		r.Partition, r.Offset, r.Time = 1, offset, at
		return r
	}
	forgotten := start.Add(time.Hour)
	recs := []broker.Record{{Key: []byte("u"), Offset: 3, Time: forgotten}, event("before", 1, forgotten.Add(-time.Second)), event("after", 2, forgotten.Add(time.Second))}
	state := new(window.State)
	for _, u := range decode(recs, time.Minute).users {
		state.Apply(window.DefaultRules(), u.Partition, u.Records)
	}
	if got := state.Entries(); len(got) != 1 || got[0].ItemID != "after" {
		t.Errorf("the window is %+v", got)
	}
}
