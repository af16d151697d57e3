package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/schema"
)

// Catalogue is where items go; *catalog.Store is one. Apply is idempotent: after an error all changes are sent again.
type Catalogue interface {
	Apply(ctx context.Context, changes []catalog.Change) (applied int, err error)
}

var _ Catalogue = (*catalog.Store)(nil)

// Items follows the items topic into the catalogue.
type Items struct {
	*stream
	catalogue Catalogue
	reporter  *reporter
}

// NewItems returns a consumer that reads src, writes cat and sets aside to dead what it cannot use. It reports to no
// page. The caller closes them after Run has returned.
func NewItems(cfg Config, src Source, cat Catalogue, dead DeadLetters, opts ...Option) (*Items, error) {
	s, err := newStream(cfg, src, dead, "items", opts)
	if err != nil {
		return nil, err
	}
	if cat == nil {
		return nil, errors.New("ingest: catalogue is required")
	}
	return &Items{stream: s, catalogue: cat, reporter: newReporter(s, nil)}, nil
}

// Run consumes until ctx is done, finishes the batch in hand, commits and returns nil; any other return is a fault. It
// may be called once.
func (c *Items) Run(ctx context.Context) error {
	return c.run(ctx, func(ctx context.Context) error { return c.consume(ctx, c.apply) }, c.reporter.run)
}

func (c *Items) apply(ctx context.Context, recs []broker.Record) error {
	changes, bad := decodeItems(recs)
	if err := c.setAside(ctx, bad); err != nil {
		return err
	}
	if len(changes) == 0 {
		return nil
	}
	applied := 0
	err := retry.Do(ctx, c.opts.policy, c.waiting("store"), func(ctx context.Context) error {
		n, err := c.catalogue.Apply(ctx, changes)
		applied += n
		return err
	})
	c.metrics.records.WithLabelValues(outcomeApplied).Add(float64(applied))
	c.metrics.records.WithLabelValues(outcomeSkipped).Add(float64(max(0, len(changes)-applied)))
	c.counts.applied.Add(int64(applied))
	return err
}

// decodeItems sorts recs into changes, in the order they came, and poison.
func decodeItems(recs []broker.Record) (changes []catalog.Change, bad []poison) {
	for _, r := range recs {
		ch := catalog.Change{Partition: r.Partition, Offset: r.Offset, ID: string(r.Key)}
		if len(r.Value) == 0 {
			if err := checkTombstone(r.Key, schema.CheckItemID(ch.ID)); err != nil {
				bad = append(bad, poison{r, err})
				continue
			}
			changes = append(changes, ch)
			continue
		}
		it, err := schema.DecodeItem(ch.ID, r.Value)
		if err == nil && len(r.Key) == 0 {
			// Compaction works by key: an item without one could never be replaced or withdrawn.
			err = fmt.Errorf("item %q: record without a key", it.ID)
		}
		if err != nil {
			bad = append(bad, poison{r, err})
			continue
		}
		ch.Item = &it
		changes = append(changes, ch)
	}
	return changes, bad
}
