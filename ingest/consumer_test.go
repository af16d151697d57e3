package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

func TestConsumer_windowsEqualTheOracle(t *testing.T) {
	b := newBench(t, "")
	reg := prometheus.NewRegistry()
	c := b.consume(WithRegisterer(reg))
	recs := randomRecords(rand.New(rand.NewPCG(1, 1)), 5000, 60)
	b.publish(recs...)
	b.committed(b.cfg.Topic)
	b.check()
	if err := c.halt(); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0.0
	for _, f := range families {
		if f.GetName() == "softrec_ingest_records_total" {
			for _, m := range f.GetMetric() {
				counted += m.GetCounter().GetValue()
			}
		}
		if f.GetHelp() == "" {
			t.Errorf("metric %s has no help", f.GetName())
		}
	}
	if counted != float64(len(recs)) {
		t.Errorf("%v records counted, want %d", counted, len(recs))
	}
}

// Poison at the head of a partition is set aside with its bytes and place, and what follows is applied.
func TestConsumer_setsPoisonAside(t *testing.T) {
	b := newBench(t, "")
	future := schema.Event{UserID: "u", ItemID: "i", Timestamp: time.Now().Add(time.Hour)}
	large := schema.Event{UserID: "u", ItemID: strings.Repeat("i", schema.MaxEventBytes), Timestamp: start}
	for _, c := range []struct {
		rec    broker.Record
		reason string
	}{
		{broker.Record{Key: []byte("u"), Value: []byte("not json")}, "not a JSON object"},
		{broker.Record{Key: []byte{0, 0, 0, 1}, Value: []byte{0, 0, 0, 0, 0, 0}}, "not a JSON object"}, // a commit marker
		{broker.Record{Key: []byte("u"), Value: []byte(`{"user_id":"u"}`)}, "timestamp"},
		{eventRecord(future), "ahead"},
		{eventRecord(large), "bytes long"},
		{broker.Record{Key: []byte("u"), Value: []byte(`{"user_id":"a\tb","item_id":"i","timestamp":1}`)}, "control character"},
		{broker.Record{}, "without key and value"},
		{broker.Record{Key: []byte("a\x00b")}, "control character"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			b := *b
			b.t = t
			b.cfg.Topic = fmt.Sprint(b.cfg.Topic, "-", time.Now().UnixNano())
			b.cfg.DeadLetterTopic = b.cfg.Topic + ".dead"
			b.cfg.Partitions = 1
			if err := broker.EnsureTopics(b.ctx, b.kafka, b.cfg.Topics()...); err != nil {
				t.Fatal(err)
			}
			at := time.UnixMilli(time.Now().UnixMilli()).UTC()
			c.rec.Time = at
			b.publish(c.rec, eventRecord(schema.Event{UserID: "after", ItemID: "i", Timestamp: start}))
			b.consume()
			b.committed(b.cfg.Topic)
			dead := b.readAll(b.cfg.DeadLetterTopic)
			if len(dead) != 1 {
				t.Fatalf("%d dead letters", len(dead))
			}
			d := dead[0]
			if string(d.Key) != string(c.rec.Key) || string(d.Value) != string(c.rec.Value) {
				t.Errorf("dead letter %q = %q, sent %q = %q", d.Key, d.Value, c.rec.Key, c.rec.Value)
			}
			reason := d.Headers[HeaderReason]
			delete(d.Headers, HeaderReason)
			want := map[string]string{HeaderTopic: b.cfg.Topic, HeaderPartition: "0", HeaderOffset: "0", HeaderTime: at.Format(time.RFC3339Nano)}
			if diff := cmp.Diff(want, d.Headers); diff != "" || !strings.Contains(reason, c.reason) {
				t.Errorf("reason %q, headers (-want +got):\n%s", reason, diff)
			}
			if w, err := b.windows().Window(b.ctx, "after"); err != nil || w.Offsets["0"] != 1 {
				t.Errorf("the event after it: %+v, %v", w, err)
			}
		})
	}
}

// A record larger than a dead letter may be is cut, and says so, instead of blocking its partition.
func TestLetter_isBounded(t *testing.T) {
	p := poison{broker.Record{Key: make([]byte, maxDeadKey+1), Value: make([]byte, 3<<20), Topic: "t"}, errors.New(strings.Repeat("r", 1<<20))}
	l := p.letter()
	size := len(l.Key) + len(l.Value)
	for k, v := range l.Headers {
		size += len(k) + len(v) + 10
	}
	if size > broker.MaxRecordBytes {
		t.Errorf("%d bytes, a record may have %d", size, broker.MaxRecordBytes)
	}
	if got, want := l.Headers[HeaderCut], fmt.Sprintf("%d, %d", maxDeadKey+1, 3<<20); got != want {
		t.Errorf("cut %q, want %q", got, want)
	}
}

// Two consumers share the partitions; one joins and leaves while events flow.
func TestConsumer_rebalance(t *testing.T) {
	b := newBench(t, "")
	first := b.consume()
	rng := rand.New(rand.NewPCG(2, 2))
	recs := randomRecords(rng, 6000, 80)
	p := b.producer()
	send := func(recs []broker.Record) {
		for i := 0; i < len(recs); i += 50 {
			if err := p.Publish(b.ctx, b.cfg.Topic, recs[i:min(i+50, len(recs))]...); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(recs[:2000])
	src := b.source(b.cfg.Topic)
	var taken atomic.Int64
	second := b.consumeFrom(spy{src, &taken}, b.windows())
	for i := 2000; i < 4000; i += 100 {
		send(recs[i : i+100])
	}
	b.eventually("the second consumer works", func() bool {
		if taken.Load() == 0 {
			send(randomRecords(rng, 20, 80))
		}
		return taken.Load() > 0
	})
	if err := second.halt(); err != nil {
		t.Fatal(err)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	send(recs[4000:])
	b.committed(b.cfg.Topic)
	b.check()
	if err := first.halt(); err != nil {
		t.Fatal(err)
	}
}

// spy counts what a source hands out.
type spy struct {
	*broker.GroupSource
	n *atomic.Int64
}

func (s spy) Fetch(ctx context.Context, max int, wait time.Duration) ([]broker.Record, error) {
	recs, err := s.GroupSource.Fetch(ctx, max, wait)
	s.n.Add(int64(len(recs)))
	return recs, err
}

// Redis goes away and comes back; the consumer waits and then goes on where it was.
func TestConsumer_waitsForRedis(t *testing.T) {
	b := newBench(t, "")
	cable := new(wire)
	rdb := b.openRedis(func(o *redis.UniversalOptions) { o.Dialer = cable.dial })
	win, err := window.New(rdb, b.keys, b.rules)
	if err != nil {
		t.Fatal(err)
	}
	c := b.consumeFrom(b.source(b.cfg.Topic), win)
	recs := randomRecords(rand.New(rand.NewPCG(3, 3)), 3000, 40)
	b.publish(recs[:1000]...)
	b.committed(b.cfg.Topic)
	for i := 1000; i < 3000; i += 500 { // cut in the middle of work, four times
		cable.cut()
		b.publish(recs[i : i+250]...)
		cable.mend()
		b.publish(recs[i+250 : i+500]...)
	}
	b.committed(b.cfg.Topic)
	b.check()
	if err := c.halt(); err != nil {
		t.Fatal(err)
	}
}

// A stop while Redis is away does not hang, says so, and has committed nothing that was not applied.
func TestConsumer_stopsWhileRedisIsAway(t *testing.T) {
	b := newBench(t, "")
	b.cfg.FlushTimeout = 50 * time.Millisecond
	tried := make(chan struct{}, 100)
	src := b.source(b.cfg.Topic)
	c := b.consumeFrom(src, windowsFunc(func(context.Context, []window.UserBatch) (window.Outcome, error) {
		select {
		case tried <- struct{}{}:
		default:
		}
		return window.Outcome{}, context.DeadlineExceeded // of one try
	}))
	b.publish(randomRecords(rand.New(rand.NewPCG(4, 4)), 100, 10)...)
	<-tried
	if err := c.halt(); err == nil || !strings.Contains(err.Error(), "apply") {
		t.Errorf("error %v", err)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	b.cfg.FlushTimeout = DefaultConfig().FlushTimeout
	b.consume()
	b.committed(b.cfg.Topic)
	b.check()
}

type windowsFunc func(context.Context, []window.UserBatch) (window.Outcome, error)

func (f windowsFunc) Apply(ctx context.Context, batch []window.UserBatch) (window.Outcome, error) {
	return f(ctx, batch)
}

func TestConsumer_endsWithAFaultThatWaitingDoesNotCure(t *testing.T) {
	b := newBench(t, "")
	hopeless := errors.New("hopeless")
	c := b.consumeFrom(b.source(b.cfg.Topic), windowsFunc(func(context.Context, []window.UserBatch) (window.Outcome, error) {
		return window.Outcome{}, hopeless
	}))
	b.publish(eventRecord(schema.Event{UserID: "u", ItemID: "i", Timestamp: start}))
	if err := <-c.done; !errors.Is(err, hopeless) || !strings.Contains(err.Error(), "apply 1 records") {
		t.Errorf("error %v", err)
	} else {
		c.done <- err
	}
	var lag map[int]int64
	b.eventually("the brokers tell the lag", func() bool { // the topic is new: its leaders may still be on their way
		var err error
		lag, err = broker.Lag(b.ctx, b.kafka, b.cfg.Group, b.cfg.Topic)
		return err == nil
	})
	var sum int64
	for _, n := range lag {
		sum += n
	}
	if sum != 1 {
		t.Errorf("lag %v: something was committed", lag)
	}
}

// unlucky fails commits, first all of them, then some.
type unlucky struct {
	*broker.GroupSource
	fail atomic.Int64
}

func (u *unlucky) Commit(ctx context.Context, recs []broker.Record) error {
	if u.fail.Add(-1) >= 0 {
		return errors.New("no luck")
	}
	return u.GroupSource.Commit(ctx, recs)
}

func TestConsumer_failedCommitsAreHarmless(t *testing.T) {
	b := newBench(t, "")
	recs := randomRecords(rand.New(rand.NewPCG(5, 5)), 2000, 30)
	src := &unlucky{GroupSource: b.source(b.cfg.Topic)}
	src.fail.Store(1 << 40)
	c := b.consumeFrom(src, b.windows())
	b.publish(recs[:1000]...)
	want := b.oracle()
	b.eventually("all is applied", func() bool {
		for user, st := range want {
			w, err := b.windows().Window(b.ctx, user)
			if err != nil || w.Version != st.Window(user).Version {
				return false
			}
		}
		return true
	})
	if err := c.halt(); err != nil { // the last commit fails too
		t.Fatal(err)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	again := &unlucky{GroupSource: b.source(b.cfg.Topic)} // everything comes again
	again.fail.Store(2)
	b.consumeFrom(again, b.windows())
	b.publish(recs[1000:]...)
	b.committed(b.cfg.Topic)
	b.check()
}

func TestConsumer_restartFromDataDir(t *testing.T) {
	dir := t.TempDir()
	b := newBench(t, dir)
	b.cfg.SyncInterval = 20 * time.Millisecond
	recs := randomRecords(rand.New(rand.NewPCG(6, 6)), 2000, 30)
	src := b.source(b.cfg.Topic)
	c := b.consumeFrom(src, b.windows(), WithDurable(b.servers))
	b.publish(recs[:1500]...)
	b.committed(b.cfg.Topic)
	b.publish(recs[1500:]...)
	if err := errors.Join(c.halt(), src.Close(), b.servers.Close()); err != nil {
		t.Fatal(err)
	}
	b.startEmbedded(dir)
	b.redis = b.openRedis()
	defer b.redis.Close()
	b.consume(WithDurable(b.servers))
	b.committed(b.cfg.Topic)
	b.check()
}

// A key that differs from the user id does not decide whose window it is; ties of one partition keep their order.
func TestDecode(t *testing.T) {
	ev := func(user, item string) broker.Record {
		return eventRecord(schema.Event{UserID: user, ItemID: item, Timestamp: start})
	}
	recs := []broker.Record{ev("b", "1"), ev("a", "2"), ev("b", "3"), ev("b", "4"), {Key: []byte("a")}, {Value: []byte("{")}, ev("a", "5")}
	recs[2].Key = []byte("somebody else")
	recs[3].Key = nil
	for i := range recs {
		recs[i].Offset = int64(10 + i)
		recs[i].Partition = i / 6
	}
	d := decode(recs, time.Minute)
	var got []string
	for _, u := range d.users {
		s := fmt.Sprintf("%s/%d:", u.User, u.Partition)
		for _, r := range u.Records {
			s += fmt.Sprintf(" %d%s%t", r.Offset, r.Interaction.ItemID, r.Forget)
		}
		got = append(got, s)
	}
	want := []string{"b/0: 101false 123false 134false", "a/0: 112false 14true", "a/1: 165false"}
	if diff := cmp.Diff(want, got); diff != "" || d.rekeyed != 1 || len(d.bad) != 1 || d.bad[0].rec.Offset != 15 {
		t.Errorf("rekeyed %d, bad %v (-want +got):\n%s", d.rekeyed, d.bad, diff)
	}
}

// How far ahead an event may lie is measured against its record, not against the day of the replay.
func TestDecode_futureIsTheRecords(t *testing.T) {
	e := eventRecord(schema.Event{UserID: "u", ItemID: "i", Timestamp: start})
	for _, c := range []struct {
		record time.Time
		bad    int
	}{{start, 0}, {start.Add(-time.Minute), 0}, {start.Add(-time.Minute - time.Millisecond), 1}, {time.Time{}, 0}} {
		e.Time = c.record
		if d := decode([]broker.Record{e}, time.Minute); len(d.bad) != c.bad {
			t.Errorf("record of %s: %d bad", c.record, len(d.bad))
		}
	}
}

// No record is lost or counted twice by decoding, whatever it holds.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("u"), []byte(`{"user_id":"u","item_id":"i","timestamp":1700000000}`))
	f.Add([]byte("u"), []byte(nil))
	f.Add([]byte{0, 0, 0, 0}, []byte{0, 0, 0, 0, 0, 7})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		recs := []broker.Record{{Key: key, Value: value, Offset: 1}, {Key: key, Value: value, Offset: 2, Partition: 1}}
		d := decode(recs, time.Minute)
		n := len(d.bad)
		for _, u := range d.users {
			if err := schema.CheckUserID(u.User); err != nil {
				t.Error(err)
			}
			n += len(u.Records)
		}
		if n != len(recs) {
			t.Errorf("%d records became %d", len(recs), n)
		}
		changes, _, bad := decodeItems(recs)
		if len(changes)+len(bad) != len(recs) {
			t.Errorf("%d items became %d and %d", len(recs), len(changes), len(bad))
		}
	})
}

func TestItems(t *testing.T) {
	b := newBench(t, "")
	cat, err := catalog.New(b.redis, b.keys)
	if err != nil {
		t.Fatal(err)
	}
	src := b.source(b.cfg.ItemsTopic)
	it, err := NewItems(b.cfg, src, cat, b.producer(), WithLogger(testLog(t)))
	if err != nil {
		t.Fatal(err)
	}
	r := b.run(it.Run)
	doc := func(s string) []byte { return []byte(s) }
	recs := []broker.Record{
		{Key: doc("a"), Value: doc(`{"title":"A","categories":["x"]}`)},
		{Key: doc("b"), Value: doc(`{"id":"b","title":"B"}`)},
		{Key: doc("b"), Value: doc(`{"id":"c","title":"not b"}`)},
		{Key: doc("e"), Value: doc(`[]`)},
		{Key: doc("a"), Value: doc(`{"title":"A2"}`)},
		{Key: doc("b")},
	}
	poison := 2
	if b.servers != nil { // a real broker refuses records without a key on a compacted topic
		recs = append(recs, broker.Record{Value: doc(`{"id":"d"}`)}, broker.Record{})
		poison += 2
	}
	if err := b.producer().Publish(b.ctx, b.cfg.ItemsTopic, recs...); err != nil {
		t.Fatal(err)
	}
	b.committed(b.cfg.ItemsTopic)
	if a, withdrawn, found, err := cat.Get(b.ctx, "a"); err != nil || !found || withdrawn || a.Title != "A2" {
		t.Errorf("a: %+v, %t, %t, %v", a, withdrawn, found, err)
	}
	if _, withdrawn, found, err := cat.Get(b.ctx, "b"); err != nil || !found || !withdrawn {
		t.Errorf("b: %t, %t, %v; want it withdrawn", withdrawn, found, err)
	}
	if dead := b.readAll(b.cfg.DeadLetterTopic); len(dead) != poison {
		t.Errorf("%d dead letters, want %d", len(dead), poison)
	}
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
}

// itemsWithReceipts is an Items on src that confirms withdrawals, with the catalogue and the receipts it writes.
func (b *bench) itemsWithReceipts(src Source) (*Items, *catalog.Store, *deletion.Store) {
	b.t.Helper()
	cat, err := catalog.New(b.redis, b.keys)
	if err != nil {
		b.t.Fatal(err)
	}
	gone, err := deletion.New(b.redis, b.keys)
	if err != nil {
		b.t.Fatal(err)
	}
	it, err := NewItems(b.cfg, src, cat, b.producer(), WithLogger(testLog(b.t)), WithDeletions(gone))
	if err != nil {
		b.t.Fatal(err)
	}
	return it, cat, gone
}

// A withdrawal has its receipt before it is committed, under the name it came with or one of its place; one that a later record of the same batch
// has overtaken has its receipt too, and a second reading of the topic writes none for it.
func TestItems_receipts(t *testing.T) {
	b := newBench(t, "")
	src := b.source(b.cfg.ItemsTopic)
	it, _, gone := b.itemsWithReceipts(src)
	doc := func(s string) []byte { return []byte(s) }
	recs := []broker.Record{
		{Key: doc("a"), Value: doc(`{"title":"A"}`)},
		{Key: doc("a"), Headers: map[string]string{schema.HeaderDeletion: "d1"}},
		{Key: doc("a"), Value: doc(`{"title":"A again"}`)},
		{Key: doc("b")},
	}
	if err := b.producer().Publish(b.ctx, b.cfg.ItemsTopic, recs...); err != nil {
		t.Fatal(err)
	}
	r := b.run(it.Run)
	b.committed(b.cfg.ItemsTopic)
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	a, _, err := gone.LatestItem(b.ctx, "a")
	if err != nil || a.ID != "d1" || a.By != schema.DeletionByAPI || a.Parts[schema.PartCatalogue].IsZero() {
		t.Errorf("receipt %+v, %v", a, err)
	}
	other, _, err := gone.LatestItem(b.ctx, "b")
	if err != nil || !strings.HasPrefix(other.ID, "item-record-") || other.By != schema.DeletionByTombstone || other.Parts[schema.PartCatalogue].IsZero() {
		t.Errorf("receipt %+v, %v", other, err)
	}
	if _, n, _, err := gone.ItemsSince(b.ctx, 0); n != 2 || err != nil {
		t.Errorf("%d items are listed, %v", n, err)
	}
	for _, rec := range b.readAll(b.cfg.ItemsTopic) {
		if string(rec.Key) == "a" && len(rec.Value) == 0 {
			if err := it.apply(b.ctx, []broker.Record{rec}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, n, _, err := gone.ItemsSince(b.ctx, 0); n != 2 || err != nil {
		t.Errorf("read again: %d items are listed, %v", n, err)
	}
}

// A tombstone that names no receipt has none where its item is withdrawn already: a catalogue that is imported again and again with hidden
// items would fill the journal. One that names its receipt has it, and so has one after the item came back.
func TestItems_repeatedWithdrawals(t *testing.T) {
	b := newBench(t, "")
	it, cat, gone := b.itemsWithReceipts(b.source(b.cfg.ItemsTopic))
	key := []byte("a")
	tombstone := func(offset int64) broker.Record { return broker.Record{Key: key, Offset: offset} }
	named := tombstone(5)
	named.Headers = map[string]string{schema.HeaderDeletion: "d1"}
	back := broker.Record{Key: key, Offset: 7, Value: []byte(`{"title":"A"}`)}
	for i, step := range []struct {
		recs   []broker.Record
		listed int64
		newest string
	}{
		{[]broker.Record{tombstone(1)}, 1, "item-record-0-1"},
		{[]broker.Record{tombstone(1)}, 2, "item-record-0-1"}, // as after a crash, when nobody knows what was written
		{[]broker.Record{tombstone(2), tombstone(3), tombstone(4)}, 2, "item-record-0-1"},
		{[]broker.Record{named}, 3, "d1"},
		{[]broker.Record{tombstone(6)}, 3, "d1"},
		{[]broker.Record{back, tombstone(8), tombstone(9)}, 4, "item-record-0-8"},
	} {
		if err := it.apply(b.ctx, step.recs); err != nil {
			t.Fatal(err)
		}
		_, n, _, err := gone.ItemsSince(b.ctx, 0)
		newest, _, fault := gone.LatestItem(b.ctx, "a")
		if n != step.listed || newest.ID != step.newest || err != nil || fault != nil {
			t.Errorf("step %d: %d are listed, the newest is %q, %v, %v; want %d, %q", i, n, newest.ID, err, fault, step.listed, step.newest)
		}
		if _, withdrawn, _, err := cat.Get(b.ctx, "a"); !withdrawn || err != nil {
			t.Errorf("step %d: withdrawn %t, %v", i, withdrawn, err)
		}
	}
}

func TestConsumer_showsItselfOnThePage(t *testing.T) {
	b := newBench(t, "")
	c := b.consume(WithPage(NewPage(b.redis, b.keys)))
	var recs []broker.Record
	for i := range 300 {
		recs = append(recs, eventRecord(schema.Event{UserID: "u", ItemID: fmt.Sprint("i", i), Timestamp: start.Add(time.Duration(i) * time.Second)}))
	}
	b.publish(append(recs, broker.Record{Value: []byte("poison")})...)
	var st schema.IngestStatus
	b.eventually("the status", func() bool {
		doc, err := b.redis.HGet(b.ctx, b.keys.IngestStatus(), hostName()).Bytes()
		return err == nil && json.Unmarshal(doc, &st) == nil && st.Events == 300 && st.Lag == 0 && st.DeadLetters == 1
	})
	if n := len(st.Partitions); n != b.cfg.Partitions {
		t.Errorf("the lag of %d partitions is shown, want %d", n, b.cfg.Partitions)
	}
	for i, p := range st.Partitions {
		if p.Partition != i || p.Lag != 0 {
			t.Errorf("partition %d: %+v, want no lag", i, p)
		}
	}
	var newest RecentEvent
	b.eventually("the newest event", func() bool {
		docs, err := b.redis.LRange(b.ctx, b.keys.RecentEvents(), 0, -1).Result()
		return err == nil && len(docs) > 0 && len(docs) <= recentEvents && json.Unmarshal([]byte(docs[0]), &newest) == nil
	})
	if newest.ItemID != "i299" || newest.Offset == 0 {
		t.Errorf("newest event %+v", newest)
	}
	if err := c.halt(); err != nil {
		t.Fatal(err)
	}
	if n := b.redis.HLen(b.ctx, b.keys.IngestStatus()).Val(); n != 0 {
		t.Errorf("%d instances on the page after the stop", n)
	}
}

func TestNew_refuses(t *testing.T) {
	b := newBench(t, "")
	src, win, dead := b.source(b.cfg.Topic), b.windows(), b.producer()
	if _, err := New(Config{}, src, win, dead); err == nil || strings.Count(err.Error(), "ingest.") < 6 {
		t.Errorf("empty config: %v", err)
	}
	if _, err := New(b.cfg, nil, win, dead); err == nil {
		t.Error("no source: no error")
	}
	if _, err := New(b.cfg, src, nil, dead); err == nil {
		t.Error("no windows: no error")
	}
	if _, err := NewItems(b.cfg, src, nil, dead); err == nil {
		t.Error("no catalogue: no error")
	}
	c, err := New(b.cfg, src, win, dead)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(b.ctx)
	cancel()
	if err := c.Run(ended); err != nil {
		t.Errorf("run: %v", err)
	}
	if err := c.Run(ended); err == nil {
		t.Error("second run: no error")
	}
}
