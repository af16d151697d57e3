package ingest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// Consumer turns interactions into windows.
type Consumer struct {
	*stream
	windows  Windows
	reporter *reporter
}

// New returns a Consumer that reads src, writes win and sets aside to dead what it cannot use. The caller closes them
// after Run has returned.
func New(cfg Config, src Source, win Windows, dead DeadLetters, opts ...Option) (*Consumer, error) {
	s, err := newStream(cfg, src, dead, "interactions", opts)
	if err != nil {
		return nil, err
	}
	if win == nil {
		return nil, errors.New("ingest: windows are required")
	}
	if w, ok := win.(interface{ Recheck() }); ok {
		s.recheck = w.Recheck
	}
	return &Consumer{stream: s, windows: win, reporter: newReporter(s, s.opts.page)}, nil
}

// Run consumes until ctx is done, finishes the batches in hand, commits and returns nil; any other return is a fault. It
// may be called once.
func (c *Consumer) Run(ctx context.Context) error {
	return c.run(ctx, func(ctx context.Context) error { return newPipeline(c).run(ctx) }, c.reporter.run)
}

// confirm writes the receipts of users that were forgotten. What the reporter still has of them in its queue comes after: it
// leaves them out.
func (c *Consumer) confirm(ctx context.Context, forgot []schema.Deletion) error {
	if len(forgot) == 0 {
		return nil
	}
	users := make([]string, len(forgot))
	for i, d := range forgot {
		users[i] = d.UserID
	}
	c.reporter.forget(users)
	now := time.Now()
	fresh := slices.DeleteFunc(slices.Clone(forgot), func(d schema.Deletion) bool { return deletion.Expired(d, now) })
	return retry.Do(ctx, c.opts.policy, c.waiting("receipt"), func(ctx context.Context) error {
		if c.opts.page != nil {
			if err := c.opts.page.Forget(ctx, users...); err != nil {
				return err
			}
		}
		if c.opts.deleted == nil {
			return nil
		}
		if err := c.receipts(ctx, fresh, schema.PartWindow); err != nil {
			return err
		}
		return c.opts.deleted.EmptiedAll(ctx, fresh)
	})
}

func (c *Consumer) count(out window.Outcome) {
	for _, n := range [...]struct {
		outcome string
		n       int
	}{
		{outcomeApplied, out.Applied}, {outcomeDuplicate, out.Duplicates}, {outcomeLate, out.Late},
		{outcomeSkipped, out.Skipped}, {outcomeForgotten, out.Forgotten},
	} {
		c.metrics.records.WithLabelValues(n.outcome).Add(float64(n.n))
	}
	c.counts.applied.Add(int64(out.Applied))
	c.counts.duplicates.Add(int64(out.Duplicates + out.Skipped))
	c.counts.late.Add(int64(out.Late))
}
