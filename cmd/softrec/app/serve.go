package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/softrec/softrec/ingest"
	"github.com/softrec/softrec/ingest/attribution"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/tracing"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve"
	"github.com/softrec/softrec/trainer/snapshot"
)

// addServe builds the HTTP server and opens its addresses, so that a taken port is known before anything runs.
func (a *App) addServe() error {
	keys := a.cfg.Redis.Keys()
	rdb, err := a.cfg.Redis.Open(a.cfg.Serve.RedisOptions)
	if err != nil {
		return err
	}
	a.onClose(rdb.Close)
	windows, err := window.New(rdb, keys, a.cfg.Window)
	if err != nil {
		return err
	}
	items, err := catalog.New(rdb, keys)
	if err != nil {
		return err
	}
	models, err := snapshot.OpenDir(a.models)
	if err != nil {
		return err
	}
	receipts, err := a.receipts(rdb)
	if err != nil {
		return err
	}
	sink := sink{pub: a.producer, events: a.cfg.Ingest.Topic, items: a.cfg.Ingest.ItemsTopic}
	deps := serve.Deps{
		Redis: rdb, Keys: keys, Windows: windows, Catalogue: catalog.NewView(items), Items: items,
		Registry: a.stage.registry(snapshot.NewRegistry(rdb, keys)), Snapshots: models, Decode: a.stage.decoder(), Events: sink, Changes: itemSink{sink}, Deletions: receipts,
		Clock: a.stage.Now, Effective: a.loaded.Effective(), Version: a.version, Logger: a.log, Registerer: a.metrics, Gatherer: a.metrics,
	}
	if a.cfg.Attribution.Enabled {
		if deps.Attributions, err = attribution.New(rdb, keys, a.cfg.Attribution); err != nil {
			return err
		}
		deps.Impressions = impressionSink{a.producer, a.cfg.Attribution.Topic}
	}
	deps.Letters, deps.Traces = ingest.NewLetters(a.kafka, a.cfg.Ingest, a.producer, a.cfg.Attribution.Topic), a.traces.Provider()
	if a.language != nil {
		deps.Texts = texts{a.language.runtime}
	}
	if a.server, err = serve.New(a.cfg.Serve, deps); err != nil {
		return err
	}
	if err := a.server.Listen(); err != nil {
		return err
	}
	a.parts = append(a.parts, Part{"serve", a.server.Run})
	return nil
}

// publisher is the part of broker.Producer the sinks need.
type publisher interface {
	Publish(ctx context.Context, topic string, recs ...broker.Record) error
}

// sink writes interactions to Kafka.
type sink struct {
	pub           publisher
	events, items string // topics
}

// Publish sends events keyed by user, so that one user's events stay in order, with the trace of ctx.
func (s sink) Publish(ctx context.Context, events []schema.Event) error {
	recs := make([]broker.Record, len(events))
	headers := tracing.Inject(ctx, nil) // of all of them, and only read from here on
	for i, e := range events {
		value, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode event %q: %w", e.EventID, err)
		}
		recs[i] = broker.Record{Key: []byte(e.UserID), Value: value, Headers: headers}
	}
	return s.pub.Publish(ctx, s.events, recs...)
}

// Forget sends the user's tombstone with the name of its receipt.
func (s sink) Forget(ctx context.Context, user, id string) error {
	return s.pub.Publish(ctx, s.events, broker.Record{Key: []byte(user), Headers: tracing.Inject(ctx, map[string]string{schema.HeaderDeletion: id})})
}

// itemSink writes catalogue changes to Kafka.
type itemSink struct{ sink }

// Put sends the item as it is to be.
func (s itemSink) Put(ctx context.Context, item schema.Item) error {
	value, err := json.Marshal(item)
	if err != nil {
		return fmt.Errorf("encode item %q: %w", item.ID, err)
	}
	return s.pub.Publish(ctx, s.items, broker.Record{Key: []byte(item.ID), Value: value})
}

// Withdraw sends the item's tombstone with the name of its receipt, if it has one.
func (s itemSink) Withdraw(ctx context.Context, id, deletion string) error {
	rec := broker.Record{Key: []byte(id)}
	if deletion != "" {
		rec.Headers = map[string]string{schema.HeaderDeletion: deletion}
	}
	return s.pub.Publish(ctx, s.items, rec)
}

// impressionSink writes what was shown to Kafka.
type impressionSink struct {
	pub   publisher
	topic string
}

// Publish sends impressions keyed by user, those of nobody by their own id.
func (s impressionSink) Publish(ctx context.Context, all []schema.Impression) error {
	recs := make([]broker.Record, len(all))
	for i, im := range all {
		value, err := json.Marshal(im)
		if err != nil {
			return fmt.Errorf("encode impression %q: %w", im.RecommendationID, err)
		}
		recs[i] = broker.Record{Key: []byte(cmp.Or(im.UserID, im.RecommendationID)), Value: value}
	}
	return s.pub.Publish(ctx, s.topic, recs...)
}

var (
	_ serve.EventSink      = sink{}
	_ serve.ItemSink       = itemSink{}
	_ serve.ImpressionSink = impressionSink{}
	_ serve.Letters        = (*ingest.Letters)(nil)
)
