package app

import (
	"context"
	"errors"

	"github.com/softrec/softrec/ingest"
	"github.com/softrec/softrec/ingest/attribution"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/ingest/window"
)

// addIngest adds both consumers: interactions to windows, items to the catalogue.
func (a *App) addIngest() error {
	a.parts = append(a.parts, Part{"ingest", a.runIngest})
	return nil
}

// runIngest waits for the topics, because a group that is joined before them may not see them, and runs the consumers.
func (a *App) runIngest(ctx context.Context) error {
	if a.awaitTopics(ctx) != nil {
		return nil
	}
	var sources []*broker.GroupSource
	parts, err := a.consumers(func(topic, group string) (*broker.GroupSource, error) {
		src, err := broker.NewGroupSource(a.kafka, topic, group, a.brokerOptions("source")...)
		if err == nil {
			sources = append(sources, src)
		}
		return src, err
	})
	if err == nil {
		err = runTogether(ctx, parts)
	}
	for _, src := range sources {
		err = errors.Join(err, src.Close())
	}
	return err
}

func (a *App) consumers(open func(topic, group string) (*broker.GroupSource, error)) ([]Part, error) {
	cfg, keys := a.cfg.Ingest, a.cfg.Redis.Keys()
	opts := []ingest.Option{ingest.WithLogger(a.log), ingest.WithRegisterer(a.metrics), ingest.WithTraces(a.traces.Provider())}
	if a.servers != nil {
		opts = append(opts, ingest.WithDurable(a.servers)) // a kill loses what the embedded Redis has not yet written
	}
	if len(a.cfg.Redis.Sentinel.Addrs) > 0 && a.cfg.Redis.WaitReplicas == 0 {
		a.log.Warn("redis.wait_replicas is 0: a failover of Redis loses events that are committed and that no replica had heard of")
	}
	windows, err := window.New(a.rdb, keys, a.cfg.Window, window.WithRegisterer(a.metrics), window.WithReplicas(a.cfg.Redis.Replicas()))
	if err != nil {
		return nil, err
	}
	items, err := catalog.New(a.rdb, keys, catalog.WithReplicas(a.cfg.Redis.Replicas()))
	if err != nil {
		return nil, err
	}
	events, err := open(cfg.Topic, cfg.Group)
	if err != nil {
		return nil, err
	}
	changes, err := open(cfg.ItemsTopic, cfg.Group+"-items")
	if err != nil {
		return nil, err
	}
	receipts, err := deletion.New(a.rdb, keys)
	if err != nil {
		return nil, err
	}
	consumer, err := ingest.New(cfg, events, windows, a.producer, append(opts, ingest.WithPage(ingest.NewPage(a.rdb, keys)), ingest.WithDeletions(receipts))...)
	if err != nil {
		return nil, err
	}
	catalogue, err := ingest.NewItems(cfg, changes, items, a.producer, opts...)
	if err != nil {
		return nil, err
	}
	joining, err := a.joiners(open, opts)
	if err != nil {
		return nil, err
	}
	a.log.Info("ingest is ready", "component", "ingest", "topic", cfg.Topic, "items_topic", cfg.ItemsTopic, "group", cfg.Group)
	return append([]Part{{"interactions", consumer.Run}, {"items", catalogue.Run}}, joining...), nil
}

// joiners are the consumers that join impressions with interactions. They read the interactions a second time, in a group of their
// own: windows do not wait for them.
func (a *App) joiners(open func(topic, group string) (*broker.GroupSource, error), opts []ingest.Option) ([]Part, error) {
	cfg, joining := a.cfg.Ingest, a.cfg.Attribution
	if !joining.Enabled {
		return nil, nil
	}
	joins, err := attribution.New(a.rdb, a.cfg.Redis.Keys(), joining, attribution.WithRegisterer(a.metrics))
	if err != nil {
		return nil, err
	}
	var parts []Part
	for _, s := range []struct {
		of    attribution.Stream
		name  string
		topic string
	}{{attribution.Impressions, "impressions", joining.Topic}, {attribution.Interactions, "outcomes", cfg.Topic}} {
		src, err := open(s.topic, cfg.Group+"-"+s.name)
		if err != nil {
			return nil, err
		}
		c, err := ingest.NewAttribution(cfg, s.of, src, joins, a.producer, opts...)
		if err != nil {
			return nil, err
		}
		parts = append(parts, Part{s.name, c.Run})
	}
	return parts, nil
}
