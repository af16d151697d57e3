package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/schema"
)

// Catalogue is where items go; *catalog.Store is one. Apply is idempotent: after an error all changes are sent again.
type Catalogue interface {
	Apply(ctx context.Context, changes []catalog.Change) (applied int, err error)
	// Standing returns those of changes that withdraw an item and are the newest change of it.
	Standing(ctx context.Context, changes []catalog.Change) ([]catalog.Change, error)
	// Repeated returns those of changes, not applied yet, that withdraw an item that is withdrawn already.
	Repeated(ctx context.Context, changes []catalog.Change) ([]catalog.Change, error)
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
	changes, gone, bad := decodeItems(recs)
	if err := c.setAside(ctx, bad); err != nil {
		return err
	}
	for part := range catalog.Distinct(changes) { // an item's withdrawal is confirmed before it may come back
		if err := c.passOver(ctx, part, gone); err != nil {
			return fmt.Errorf("look for withdrawn items: %w", err)
		}
		if err := c.write(ctx, part); err != nil {
			return err
		}
		if err := c.confirm(ctx, part, gone); err != nil {
			return fmt.Errorf("confirm withdrawn items: %w", err)
		}
	}
	return nil
}

func (c *Items) write(ctx context.Context, changes []catalog.Change) error {
	applied := 0
	err := retry.Do(ctx, c.opts.policy, c.waiting(whatStore), func(ctx context.Context) error {
		n, err := c.catalogue.Apply(ctx, changes)
		applied += n
		return err
	})
	c.metrics.records.WithLabelValues(outcomeApplied).Add(float64(applied))
	c.metrics.records.WithLabelValues(outcomeSkipped).Add(float64(max(0, len(changes)-applied)))
	c.counts.applied.Add(int64(applied))
	return err
}

// passOver takes tombstones out of gone that bring no receipt's name and withdraw what is withdrawn already: nothing of the item came since,
// and nobody asks for a receipt. Catalogues that are imported again and again say of each hidden item that it is. A tombstone that was
// applied before a crash is not passed over, as its receipt may not be written.
func (c *Items) passOver(ctx context.Context, changes []catalog.Change, gone map[place]schema.Deletion) error {
	var unnamed []catalog.Change
	for _, ch := range changes {
		if d, ok := gone[place{ch.Partition, ch.Offset}]; ok && d.By == schema.DeletionByTombstone {
			unnamed = append(unnamed, ch)
		}
	}
	if c.opts.deleted == nil || len(unnamed) == 0 {
		return nil
	}
	return retry.Do(ctx, c.opts.policy, c.waiting(whatStore), func(ctx context.Context) error {
		repeated, err := c.catalogue.Repeated(ctx, unnamed)
		for _, ch := range repeated {
			delete(gone, place{ch.Partition, ch.Offset})
		}
		return err
	})
}

// confirm writes the receipts of the items that changes have withdrawn. One that is in the catalogue again by a later record has none
// to write: whoever applied that has written it before.
func (c *Items) confirm(ctx context.Context, changes []catalog.Change, gone map[place]schema.Deletion) error {
	if c.opts.deleted == nil || len(gone) == 0 {
		return nil
	}
	now := time.Now()
	return retry.Do(ctx, c.opts.policy, c.waiting("receipt"), func(ctx context.Context) error {
		standing, err := c.catalogue.Standing(ctx, changes)
		if err != nil {
			return err
		}
		var withdrawn, fresh []schema.Deletion
		for _, ch := range standing {
			if d, ok := gone[place{ch.Partition, ch.Offset}]; ok { // not passed over
				if withdrawn = append(withdrawn, d); !deletion.Expired(d, now) {
					fresh = append(fresh, d)
				}
			}
		}
		if len(withdrawn) == 0 {
			return nil
		}
		if err := c.receipts(ctx, fresh, schema.PartCatalogue); err != nil {
			return err
		}
		return c.opts.deleted.WithdrawnAll(ctx, withdrawn)
	})
}

// withdrawalOf is the receipt of an item's tombstone.
func withdrawalOf(r broker.Record) schema.Deletion {
	return schema.ItemDeletion(string(r.Key), r.Headers[schema.HeaderDeletion], r.Time, r.Partition, r.Offset)
}

// decodeItems sorts recs into changes, in the order they came, the receipts of withdrawals among them, and poison.
func decodeItems(recs []broker.Record) (changes []catalog.Change, gone map[place]schema.Deletion, bad []poison) {
	gone = map[place]schema.Deletion{}
	for _, r := range recs {
		ch := catalog.Change{Partition: r.Partition, Offset: r.Offset, ID: string(r.Key)}
		if len(r.Value) == 0 {
			if err := checkTombstone(r.Key, schema.CheckItemID(ch.ID)); err != nil {
				bad = append(bad, poison{r, err})
				continue
			}
			changes = append(changes, ch)
			gone[place{r.Partition, r.Offset}] = withdrawalOf(r)
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
	return changes, gone, bad
}
