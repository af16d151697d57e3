package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/softrec/softrec/ingest/attribution"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/schema"
)

// joiner starts a consumer of one stream with a source of its own; stop ends both, so that the next one gets the partitions.
func (b *bench) joiner(of attribution.Stream, topic string, s *attribution.Store) (stop func() error) {
	b.t.Helper()
	src, err := broker.NewGroupSource(b.kafka, topic, b.cfg.Group+string(of), broker.WithLogger(testLog(b.t)))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = src.Close() })
	c, err := NewAttribution(b.cfg, of, src, s, b.producer(), WithLogger(testLog(b.t)))
	if err != nil {
		b.t.Fatal(err)
	}
	r := b.run(c.Run)
	return func() error { return errors.Join(r.halt(), src.Close()) }
}

// Impressions and interactions meet over two topics; the joiners stop in between and take up where they were, and nothing counts
// twice. What is no impression is set aside.
func TestAttribution_overTwoTopics(t *testing.T) {
	b := newBench(t, "")
	cfg := attribution.DefaultConfig()
	cfg.Topic = b.cfg.Topic + ".impressions"
	if err := broker.EnsureTopics(b.ctx, b.kafka, broker.TopicSpec{Name: cfg.Topic, Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	store, err := attribution.New(b.redis, b.keys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := b.producer()
	const n = 60
	var shown, clicks []broker.Record
	for i := range n {
		id, err := uuid.NewV7()
		if err != nil {
			t.Fatal(err)
		}
		user := fmt.Sprint("u", i)
		im, err := json.Marshal(schema.Impression{
			RecommendationID: id.String(), UserID: user, List: schema.ListUser, Arm: "live", ModelVersion: "r1", At: time.Now(),
			Items: []schema.Shown{{ID: "a", Source: schema.SourceModel}, {ID: "b", Source: schema.SourcePopular}},
		})
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, broker.Record{Key: []byte(user), Value: im})
		clicks = append(clicks, eventRecord(schema.Event{UserID: user, ItemID: "b", Type: "view", Timestamp: time.Now(), RecommendationID: id.String()}))
	}
	send := func(topic string, recs []broker.Record) {
		t.Helper()
		if err := p.Publish(b.ctx, topic, recs...); err != nil {
			t.Fatal(err)
		}
	}
	send(cfg.Topic, []broker.Record{{Key: []byte("x"), Value: []byte(`{"recommendation_id":"x"}`)}})
	send(b.cfg.Topic, []broker.Record{{Key: []byte("x"), Value: []byte("poison")}, {Key: []byte("nobody")}})
	half := n / 2
	for _, part := range []struct{ from, to int }{{0, half}, {half, n}} {
		shows, follows := b.joiner(attribution.Impressions, cfg.Topic, store), b.joiner(attribution.Interactions, b.cfg.Topic, store)
		send(cfg.Topic, shown[part.from:part.to])
		b.eventually("all answers are counted", func() bool {
			all, err := store.Totals(b.ctx)
			return err == nil && len(all.Arms) == 1 && all.Arms[0].Answers == int64(part.to)
		})
		send(b.cfg.Topic, clicks[part.from:part.to])
		b.eventually("all are counted", func() bool {
			all, err := store.Totals(b.ctx)
			return err == nil && len(all.Arms) == 1 && all.Arms[0].Answers == int64(part.to) && all.Arms[0].Clicked == int64(part.to) && all.Arms[0].Scored == int64(part.to)
		})
		for _, stop := range []func() error{shows, follows} {
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, err := store.Totals(b.ctx)
	if err != nil || all.Arms[0].Answers != n || all.Arms[0].Clicked != n || all.Arms[0].Hits != n || len(all.Sources) != 2 {
		t.Errorf("%+v %v", all, err)
	}
	if dead := b.readAll(b.cfg.DeadLetterTopic); len(dead) != 1 || string(dead[0].Value) != `{"recommendation_id":"x"}` {
		t.Errorf("set aside: %v", dead)
	}
}

func TestNewAttribution_wants(t *testing.T) {
	if _, err := NewAttribution(DefaultConfig(), attribution.Impressions, &script{}, nil, deadEnd{}); err == nil {
		t.Error("no store of attributions")
	}
}

// A store that is away gets the same batch again until it takes it, and only then are offsets committed. A producer whose clock is an
// hour ahead, and poison of the future, hold nothing up.
func TestAttribution_failingStoreAndClocksAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := eventRecord(schema.Event{UserID: "u", ItemID: "a", Timestamp: time.Now()})
		ahead.Offset, ahead.Time = 1, time.Now().Add(time.Hour)
		poison := broker.Record{Offset: 2, Value: []byte("poison"), Time: time.Now().Add(2 * time.Hour)}
		src := &script{batches: [][]broker.Record{{ahead, poison}}, committed: map[int]int64{}}
		began := time.Now()
		var tries []int
		var first time.Duration
		store := joins(func(_ context.Context, of attribution.Stream, recs []attribution.Record) error {
			if tries = append(tries, len(recs)); len(tries) == 1 {
				first = time.Since(began)
			}
			if len(tries) < 4 {
				return &busyStore{}
			}
			return nil
		})
		c, err := NewAttribution(DefaultConfig(), attribution.Interactions, src, store, deadEnd{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- c.Run(ctx) }()
		time.Sleep(10 * time.Minute) // of the bubble
		if at := src.reached(0); !slices.Equal(tries, []int{1, 1, 1, 1}) || at != 2 {
			t.Errorf("tries of %v records, committed up to %d", tries, at)
		}
		if first > settle {
			t.Errorf("the batch waited for %s, want at most %s", first, settle)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// busyStore is a fault that passes.
type busyStore struct{}

func (*busyStore) Error() string   { return "busy" }
func (*busyStore) Temporary() bool { return true }

type joins func(context.Context, attribution.Stream, []attribution.Record) error

func (f joins) Apply(ctx context.Context, of attribution.Stream, recs []attribution.Record) error {
	return f(ctx, of, recs)
}

// opened keeps the ids of the receipts that were opened, of those that were confirmed, and of those whose users are listed.
type opened struct{ ids, confirmed, emptied []string }

func (o *opened) OpenAll(_ context.Context, all []schema.Deletion) error {
	for _, d := range all {
		o.ids = append(o.ids, d.ID)
	}
	return nil
}

func (o *opened) ConfirmAll(_ context.Context, ids []string, _ time.Time, _ ...string) (int, error) {
	o.confirmed = append(o.confirmed, ids...)
	return len(ids), nil
}

func (o *opened) EmptiedAll(_ context.Context, all []schema.Deletion) error {
	for _, d := range all {
		o.emptied = append(o.emptied, d.ID)
	}
	return nil
}

func (o *opened) WithdrawnAll(context.Context, []schema.Deletion) error { return nil }

// Attribution that is switched on reads tombstones whose receipts have long expired: it opens none of those again, which nobody else would
// confirm.
func TestAttribution_expiredReceipts(t *testing.T) {
	gone := &opened{}
	store := joins(func(context.Context, attribution.Stream, []attribution.Record) error { return nil })
	c, err := NewAttribution(DefaultConfig(), attribution.Interactions, &script{}, store, deadEnd{}, WithDeletions(gone))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	tombstone := func(offset int64, at time.Time) broker.Record {
		return broker.Record{Key: []byte("u"), Offset: offset, Time: at}
	}
	if err := c.apply(t.Context(), []broker.Record{tombstone(1, now.Add(-deletion.TTL-time.Hour)), tombstone(2, now.Add(-deletion.TTL/2))}); err != nil {
		t.Fatal(err)
	}
	want := []string{schema.DeletionID(0, 2)}
	if !slices.Equal(gone.ids, want) || !slices.Equal(gone.confirmed, want) {
		t.Errorf("opened %q, confirmed %q, want %q", gone.ids, gone.confirmed, want)
	}
}

// Neither does who makes the windows anew from the start of the topic, after Redis was lost.
func TestConsumer_expiredReceipts(t *testing.T) {
	b := newBench(t, "")
	gone := &opened{}
	c, err := New(b.cfg, &script{}, b.windows(), deadEnd{}, WithDeletions(gone))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	old, young := schema.UserDeletion("u", "", now.Add(-deletion.TTL-time.Hour), 0, 1), schema.UserDeletion("v", "", now.Add(-deletion.TTL/2), 0, 2)
	if err := c.confirm(t.Context(), []schema.Deletion{old, young}); err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string][]string{"opened": gone.ids, "confirmed": gone.confirmed, "listed": gone.emptied} {
		if !slices.Equal(got, []string{young.ID}) {
			t.Errorf("%s %q, want %q", what, got, young.ID)
		}
	}
}
