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
	"github.com/softrec/softrec/schema"
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
	keys := a.cfg.Redis.Keys()
	joined := progress.WithOlder(attribution.TotalsKeys(keys)...)
	var stores stores // one each: what one accepts must not open the fence for the other
	for _, s := range []struct {
		store  *fencedStore
		wanted bool
		places []progress.Option
	}{
		{&stores.events, true, []progress.Option{progress.WithOlder(keys.Names())}},
		{&stores.items, true, []progress.Option{progress.WithOlder(keys.ItemsVersion())}},
		{&stores.impressions, a.cfg.Attribution.Enabled, []progress.Option{progress.WithReader("attribution"), joined}},
		{&stores.outcomes, a.cfg.Attribution.Enabled, []progress.Option{progress.WithReader("attribution"), joined}},
	} {
		if !s.wanted {
			continue
		}
		if err := a.openStore(s.store, s.places...); err != nil {
			return err
		}
		defer func() { _ = s.store.rdb.Close() }() // nothing is in its buffers
		if err := a.acceptStore(ctx, s.store); err != nil || ctx.Err() != nil {
			return err
		}
	}
	a.warnOfEviction(ctx, stores.events.rdb)
	var sources []*broker.GroupSource
	parts, err := a.consumers(&stores, func(topic, group string, s *fencedStore) (*broker.GroupSource, error) {
		src, err := broker.NewGroupSource(a.kafka, topic, group, append(a.brokerOptions("source"), broker.WithLives(s.places), broker.WithProgress(s.places))...)
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
	// places is the ledger, not through the fence: where to begin is asked of the Redis that is there, and what is then written meets the fence.
	places *progress.Store
}

// stores are those of the consumers, the last two where attribution is on.
type stores struct{ events, items, impressions, outcomes fencedStore }

func (a *App) openStore(s *fencedStore, opts ...progress.Option) (err error) {
	s.fence = progress.NewFence()
	if s.places, err = progress.New(a.rdb, a.cfg.Redis.Keys(), opts...); err != nil {
		return err
	}
	if s.rdb, err = a.cfg.Redis.Open(s.fence.Guard); err != nil {
		return err
	}
	s.ledger, err = progress.New(s.rdb, a.cfg.Redis.Keys(), opts...)
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
	if awaited := a.awaited(s.rdb); awaited != nil {
		opts = append(opts, ingest.WithAwaited(awaited))
	}
	return opts
}

// awaited is what a commit waits for in the Redis behind rdb, nil for nothing.
func (a *App) awaited(rdb redis.UniversalClient) ingest.Durable {
	_, cluster := rdb.(*redis.ClusterClient)
	d := a.cfg.Ingest.Durability
	switch {
	case a.servers != nil: // the embedded Redis is synced, not awaited
	case d == ingest.DurabilityLate, d == ingest.DurabilityAuto && cluster:
		return progress.Late(progress.SyncEvery)
	case d == ingest.DurabilityWaitAOF:
		return progress.NewAOF(rdb, a.cfg.Redis.Keys())
	}
	return nil
}

// opener opens the source of a group, which begins where s says.
type opener func(topic, group string, s *fencedStore) (*broker.GroupSource, error)

func (a *App) consumers(in *stores, open opener) ([]Part, error) {
	cfg, keys := a.cfg.Ingest, a.cfg.Redis.Keys()
	opts := []ingest.Option{ingest.WithLogger(a.log), ingest.WithRegisterer(a.metrics), ingest.WithTraces(a.traces.Provider())}
	if a.servers != nil {
		opts = append(opts, ingest.WithDurable(a.servers)) // a kill loses what the embedded Redis has not yet written
	}
	if len(a.cfg.Redis.Sentinel.Addrs) > 0 && a.cfg.Redis.WaitReplicas == 0 {
		a.log.Warn("redis.wait_replicas is 0: what no replica has heard of when Redis fails over may be missing from windows")
	}
	eventOpts, itemOpts := a.storeOptions(opts, &in.events), a.storeOptions(opts, &in.items)
	windows, err := window.New(in.events.rdb, keys, a.cfg.Window, window.WithRegisterer(a.metrics), window.WithReplicas(a.cfg.Redis.Replicas()))
	if err != nil {
		return nil, err
	}
	events, err := open(cfg.Topic, cfg.Group, &in.events)
	if err != nil {
		return nil, err
	}
	items, err := catalog.New(in.items.rdb, keys, catalog.WithReplicas(a.cfg.Redis.Replicas()), catalog.WithReturns(events.Ends))
	if err != nil {
		return nil, err
	}
	changes, err := open(cfg.ItemsTopic, cfg.Group+"-items", &in.items)
	if err != nil {
		return nil, err
	}
	receipts, err := a.receipts(a.rdb)
	if err != nil {
		return nil, err
	}
	consumer, err := ingest.New(cfg, events, windows, a.producer, append(eventOpts, ingest.WithPage(ingest.NewPage(a.rdb, keys)), ingest.WithDeletions(receipts))...)
	if err != nil {
		return nil, err
	}
	catalogue, err := ingest.NewItems(cfg, changes, items, a.producer, append(itemOpts, ingest.WithDeletions(receipts))...)
	if err != nil {
		return nil, err
	}
	joining, err := a.joiners(in, open, append(opts[:len(opts):len(opts)], ingest.WithDeletions(receipts)))
	if err != nil {
		return nil, err
	}
	a.log.Info("ingest is ready", "component", "ingest", "topic", cfg.Topic, "items_topic", cfg.ItemsTopic, "group", cfg.Group)
	return append([]Part{{"interactions", consumer.Run}, {"items", catalogue.Run}}, joining...), nil
}

// receipts are those of deletions. Where attribution is on, a user's wait for it too.
func (a *App) receipts(rdb redis.UniversalClient) (*deletion.Store, error) {
	if !a.cfg.Attribution.Enabled {
		return deletion.New(rdb, a.cfg.Redis.Keys())
	}
	return deletion.New(rdb, a.cfg.Redis.Keys(), deletion.WithAwaited(schema.PartAttribution))
}

// joiners are the consumers that join impressions with interactions. They read the interactions a second time, in a group and with places of
// their own: windows do not wait for them.
func (a *App) joiners(in *stores, open opener, opts []ingest.Option) ([]Part, error) {
	cfg, joining := a.cfg.Ingest, a.cfg.Attribution
	if !joining.Enabled {
		return nil, nil
	}
	joins, err := attribution.New(in.impressions.rdb, a.cfg.Redis.Keys(), joining, attribution.WithRegisterer(a.metrics), attribution.WithReplicas(a.cfg.Redis.Replicas()))
	if err != nil {
		return nil, err
	}
	shown, err := open(joining.Topic, cfg.Group+"-impressions", &in.impressions)
	if err != nil {
		return nil, err
	}
	shows, err := ingest.NewAttribution(cfg, attribution.Impressions, shown, joins, a.producer, a.storeOptions(opts, &in.impressions)...)
	if err != nil {
		return nil, err
	}
	followed, err := open(cfg.Topic, cfg.Group+"-outcomes", &in.outcomes)
	if err != nil {
		return nil, err
	}
	applied := func(ctx context.Context) (map[int]int64, bool, error) {
		return in.outcomes.ledger.Applied(ctx, joining.Topic)
	}
	// A process that was killed keeps its partitions for a session, and it takes a rebalance until others have them.
	patience := a.cfg.Kafka.SessionTimeout + a.cfg.Kafka.RebalanceTimeout
	follows, err := ingest.NewAttribution(cfg, attribution.Interactions, followed, joins.Over(in.outcomes.rdb), a.producer,
		append(a.storeOptions(opts, &in.outcomes), ingest.WithImpressions(shown.HeldEnds, applied, patience))...)
	if err != nil {
		return nil, err
	}
	return []Part{{"impressions", shows.Run}, {"outcomes", follows.Run}}, nil
}
