package ingest

import (
	"context"
	"errors"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/ingest/window"
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
	return &Consumer{stream: s, windows: win, reporter: newReporter(s, s.opts.page)}, nil
}

// Run consumes until ctx is done, finishes the batch in hand, commits and returns nil; any other return is a fault. It
// may be called once.
func (c *Consumer) Run(ctx context.Context) error {
	return c.run(ctx, c.apply, c.reporter.run)
}

// apply puts a batch into the windows. Poison goes first: once its offset may be committed it must be safe elsewhere.
func (c *Consumer) apply(ctx context.Context, recs []broker.Record) error {
	d := decode(recs, c.cfg.MaxFuture)
	c.metrics.rekeyed.Add(float64(d.rekeyed))
	if err := c.setAside(ctx, d.bad); err != nil {
		return err
	}
	var out window.Outcome
	err := retry.Do(ctx, c.opts.policy, c.waiting("store"), func(ctx context.Context) error {
		one, err := c.windows.Apply(ctx, d.users) // the whole batch again: what was applied counts as skipped then
		out = out.Add(one)
		return err
	})
	c.count(out)
	if err == nil && out.Applied > 0 {
		c.reporter.offer(d.events)
	}
	return err
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
