package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/softrec/softrec/ingest/attribution"
	"github.com/softrec/softrec/ingest/broker"
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
	var _ Attributions = joins(nil)
}

type joins func(context.Context, attribution.Stream, []attribution.Record) error

func (f joins) Apply(ctx context.Context, of attribution.Stream, recs []attribution.Record) error {
	return f(ctx, of, recs)
}
