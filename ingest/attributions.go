package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/softrec/softrec/ingest/attribution"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/schema"
)

// Attributions is where impressions are joined with interactions; *attribution.Store is one. Apply is idempotent: after an error
// all records are sent again.
type Attributions interface {
	Apply(ctx context.Context, of attribution.Stream, recs []attribution.Record) error
}

var _ Attributions = (*attribution.Store)(nil)

// attributionDelay is how long the first record of a batch waits for more: nobody waits for totals, and larger batches are cheaper.
// every batch writes the totals of the buckets it touches anew.
const attributionDelay = time.Second

// settle is how old an interaction is before it is joined. The answer it followed was mostly written just before it, by another
// process and to another topic: a list that comes after the interaction it should have foreseen is scored by the one after that.
const settle = 500 * time.Millisecond

// Attribution follows one stream, impressions or interactions, into the totals of what became of answers. It takes one consumer
// of each.
type Attribution struct {
	*stream
	of       attribution.Stream
	joins    Attributions
	reporter *reporter
}

// NewAttribution returns a consumer of stream of, which reads src and writes joins. Impressions that cannot be understood are set
// aside to dead; interactions are passed over, since the consumer of the windows sets them aside. The caller closes src
// after Run has returned.
func NewAttribution(cfg Config, of attribution.Stream, src Source, joins Attributions, dead DeadLetters, opts ...Option) (*Attribution, error) {
	name := "outcomes"
	if of == attribution.Impressions {
		name = "impressions"
	}
	cfg.MaxDelay = max(cfg.MaxDelay, attributionDelay)
	s, err := newStream(cfg, src, dead, name, opts)
	if err != nil {
		return nil, err
	}
	if joins == nil {
		return nil, errors.New("ingest: a store of attributions is required")
	}
	if of == attribution.Interactions && s.opts.ends != nil {
		a := newInOrder(s)
		s.ready, s.recheck = a.await, a.forget
	}
	return &Attribution{stream: s, of: of, joins: joins, reporter: newReporter(s, nil)}, nil
}

// Run consumes until ctx is done, finishes the batch in hand, commits and returns nil; any other return is a fault. It may be
// called once.
func (c *Attribution) Run(ctx context.Context) error {
	return c.run(ctx, func(ctx context.Context) error { return c.consume(ctx, c.apply) }, c.reporter.run)
}

func (c *Attribution) apply(ctx context.Context, recs []broker.Record) error {
	decode := c.outcomes
	if c.of == attribution.Impressions {
		decode = impressions
	}
	joined, bad := decode(recs)
	if err := c.setAside(ctx, bad); err != nil {
		return err
	}
	if len(joined) == 0 {
		return nil
	}
	if c.of == attribution.Interactions {
		sleep(ctx, settling(joined, time.Now())) // a stop ends it FlushTimeout later at the latest
	}
	err := retry.Do(ctx, c.opts.policy, c.waiting(whatStore), func(ctx context.Context) error { return c.joins.Apply(ctx, c.of, joined) })
	if err == nil && c.of == attribution.Interactions {
		err = c.confirm(ctx, recs)
	}
	if err == nil {
		c.metrics.records.WithLabelValues(outcomeApplied).Add(float64(len(joined)))
		c.counts.applied.Add(int64(len(joined)))
	}
	return err
}

// confirm writes the receipts of users whose lists are gone. An impression of them that comes later finds their tombstone noted. A
// tombstone that is older than a receipt may get has none: attribution that is switched on reads all that are still on the topic.
func (c *Attribution) confirm(ctx context.Context, recs []broker.Record) error {
	if c.opts.deleted == nil {
		return nil
	}
	var gone []schema.Deletion
	for _, r := range recs {
		user := string(r.Key)
		if len(r.Value) == 0 && schema.CheckUserID(user) == nil && time.Since(r.Time) < deletion.TTL {
			gone = append(gone, deletionOf(user, r))
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return retry.Do(ctx, c.opts.policy, c.waiting("receipt"), func(ctx context.Context) error {
		return c.receipts(ctx, gone, schema.PartAttribution)
	})
}

// settling is how long recs wait until the newest of them has settled. A producer's clock that is ahead makes nobody wait for longer.
func settling(recs []attribution.Record, now time.Time) time.Duration {
	newest := recs[0].Time
	for _, r := range recs {
		if r.Time.After(newest) {
			newest = r.Time
		}
	}
	return min(settle, settle-now.Sub(newest))
}

// impressions sorts recs into impressions and poison.
func impressions(recs []broker.Record) (good []attribution.Record, bad []poison) {
	for _, r := range recs {
		im, err := schema.DecodeImpression(r.Value)
		if err != nil {
			bad = append(bad, poison{r, err})
			continue
		}
		good = append(good, attribution.Record{Partition: r.Partition, Offset: r.Offset, Time: r.Time, Impression: &im})
	}
	return good, bad
}

// outcomes takes what can be used of interactions.
func (c *Attribution) outcomes(recs []broker.Record) (good []attribution.Record, _ []poison) {
	for _, r := range recs {
		rec := attribution.Record{Partition: r.Partition, Offset: r.Offset, Time: r.Time}
		if len(r.Value) == 0 {
			if rec.Forget = string(r.Key); schema.CheckUserID(rec.Forget) == nil {
				good = append(good, rec)
			}
			continue
		}
		ev, err := decodeEvent(r, c.cfg.MaxFuture)
		if err != nil {
			continue
		}
		rec.Event = &ev
		good = append(good, rec)
	}
	return good, nil
}
