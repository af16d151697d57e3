package app

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest"
	"github.com/softrec/softrec/ingest/attribution"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/ingest/progress"
	"github.com/softrec/softrec/ingest/retry"
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
	var events, items fencedStore // one each: what one accepts must not open the fence for the other
	for _, s := range []*fencedStore{&events, &items} {
		if err := a.openStore(s); err != nil {
			return err
		}
		defer func() { _ = s.rdb.Close() }() // nothing is in its buffers
		if err := a.acceptStore(ctx, s); err != nil || ctx.Err() != nil {
			return err
		}
	}
	lives, err := progress.New(a.rdb, a.cfg.Redis.Keys())
	if err != nil {
		return err
	}
	var sources []*broker.GroupSource
	// Not through the fence: where to begin is asked of the Redis that is there, and what is then written meets the fence.
	resumed := broker.WithProgress(lives)
	parts, err := a.consumers(&events, &items, resumed, func(topic, group string, opts ...broker.Option) (*broker.GroupSource, error) {
		opts = append(append(a.brokerOptions("source"), broker.WithLives(lives)), opts...)
		src, err := broker.NewGroupSource(a.kafka, topic, group, opts...)
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

// fencedStore is Redis as ingest writes it: behind a fence, so that a Redis that has gone back to an earlier state is noticed before
// anything is written to it.
type fencedStore struct {
	rdb    redis.UniversalClient
	fence  *progress.Fence
	ledger *progress.Store
}

func (a *App) openStore(s *fencedStore) (err error) {
	s.fence = progress.NewFence()
	if s.rdb, err = a.cfg.Redis.Open(s.fence.Guard); err != nil {
		return err
	}
	s.ledger, err = progress.New(s.rdb, a.cfg.Redis.Keys())
	return err
}

func (s *fencedStore) accept(ctx context.Context) error { return s.fence.Accept(ctx, s.rdb) }

// acceptStore waits for Redis. What waiting does not cure is an error; the end of ctx is none.
func (a *App) acceptStore(ctx context.Context, s *fencedStore) error {
	told := false
	err := retry.Do(ctx, retry.DefaultPolicy(), func(err error, _ time.Duration) {
		if !told {
			a.log.Warn("ingest waits for Redis", "component", "ingest", "error", err)
		}
		told = true
	}, s.accept)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// storeOptions are opts for a consumer that writes s.
func (a *App) storeOptions(opts []ingest.Option, s *fencedStore) []ingest.Option {
	opts = append(opts[:len(opts):len(opts)], ingest.WithLedger(s.ledger, s.accept))
	_, cluster := s.rdb.(*redis.ClusterClient)
	d := a.cfg.Ingest.Durability
	switch {
	case a.servers != nil: // opts sync the embedded Redis
	case d == ingest.DurabilityLate, d == ingest.DurabilityAuto && cluster:
		return append(opts, ingest.WithAwaited(progress.Late(progress.SyncEvery)))
	case d == ingest.DurabilityWaitAOF:
		return append(opts, ingest.WithAwaited(progress.NewAOF(s.rdb, a.cfg.Redis.Keys())))
	}
	return opts
}

// opener opens the source of a group.
type opener func(topic, group string, opts ...broker.Option) (*broker.GroupSource, error)

func (a *App) consumers(eventStore, itemStore *fencedStore, resumed broker.Option, open opener) ([]Part, error) {
	cfg, keys := a.cfg.Ingest, a.cfg.Redis.Keys()
	opts := []ingest.Option{ingest.WithLogger(a.log), ingest.WithRegisterer(a.metrics), ingest.WithTraces(a.traces.Provider())}
	if a.servers != nil {
		opts = append(opts, ingest.WithDurable(a.servers)) // a kill loses what the embedded Redis has not yet written
	}
	if len(a.cfg.Redis.Sentinel.Addrs) > 0 && a.cfg.Redis.WaitReplicas == 0 {
		a.log.Warn("redis.wait_replicas is 0: what no replica has heard of when Redis fails over may be missing from windows")
	}
	eventOpts, itemOpts := a.storeOptions(opts, eventStore), a.storeOptions(opts, itemStore)
	windows, err := window.New(eventStore.rdb, keys, a.cfg.Window, window.WithRegisterer(a.metrics), window.WithReplicas(a.cfg.Redis.Replicas()))
	if err != nil {
		return nil, err
	}
	items, err := catalog.New(itemStore.rdb, keys, catalog.WithReplicas(a.cfg.Redis.Replicas()))
	if err != nil {
		return nil, err
	}
	events, err := open(cfg.Topic, cfg.Group, resumed)
	if err != nil {
		return nil, err
	}
	changes, err := open(cfg.ItemsTopic, cfg.Group+"-items", resumed)
	if err != nil {
		return nil, err
	}
	receipts, err := deletion.New(a.rdb, keys)
	if err != nil {
		return nil, err
	}
	consumer, err := ingest.New(cfg, events, windows, a.producer, append(eventOpts, ingest.WithPage(ingest.NewPage(a.rdb, keys)), ingest.WithDeletions(receipts))...)
	if err != nil {
		return nil, err
	}
	catalogue, err := ingest.NewItems(cfg, changes, items, a.producer, itemOpts...)
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
// own: windows do not wait for them. Their place is what that group has committed.
func (a *App) joiners(open opener, opts []ingest.Option) ([]Part, error) {
	cfg, joining := a.cfg.Ingest, a.cfg.Attribution
	if !joining.Enabled {
		return nil, nil
	}
	joins, err := attribution.New(a.rdb, a.cfg.Redis.Keys(), joining, attribution.WithRegisterer(a.metrics), attribution.WithReplicas(a.cfg.Redis.Replicas()))
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
