package ingest

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/ingest/tracing"
)

// Option changes a consumer under construction.
type Option func(*options)

type options struct {
	log      *slog.Logger
	reg      prometheus.Registerer
	durable  Durable
	awaited  bool // durable costs nothing but time
	page     Page
	deleted  Deletions
	ledger   Ledger
	accept   func(context.Context) error
	ends     Positions     // of the impressions; nil: nothing waits for them
	applied  Places        // of the impressions
	patience time.Duration // for impressions that nobody applies
	policy   retry.Policy
	tracer   *tracing.Tracer // nil: no traces
}

func newOptions(opts []Option) options {
	o := options{log: slog.New(slog.DiscardHandler), policy: retry.DefaultPolicy()}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithLogger sets where waits, dead letters and failed commits are told; without it nothing is logged.
func WithLogger(log *slog.Logger) Option {
	return func(o *options) {
		if log != nil {
			o.log = log
		}
	}
}

// WithRegisterer sets where metrics are registered; without it they are private. One registerer takes one consumer of
// each kind.
func WithRegisterer(reg prometheus.Registerer) Option { return func(o *options) { o.reg = reg } }

// WithDurable makes the consumer commit only what was applied before a Sync of d that has finished, every
// Config.SyncInterval (less often when Sync takes long: it never fills more than a tenth of the time).
func WithDurable(d Durable) Option { return func(o *options) { o.durable = d } }

// WithAwaited is WithDurable for a Sync that only waits for what happens anyway: commits come one after the other, as late as it takes.
func WithAwaited(d Durable) Option { return func(o *options) { o.durable, o.awaited = d, true } }

// WithPage shows the newest events and a status once a second on p.
func WithPage(p Page) Option { return func(o *options) { o.page = p } }

// WithDeletions makes the consumer confirm, before it commits a tombstone, what is gone: of a user window and page, of an item the
// catalogue's entry.
func WithDeletions(d Deletions) Option { return func(o *options) { o.deleted = d } }

// WithTraces makes the consumer of interactions continue the traces that come in the headers of records; nil makes none.
func WithTraces(p trace.TracerProvider) Option {
	return func(o *options) { o.tracer = tracing.New(p, "ingest") }
}

// WithLedger makes the consumer note in l how far it has applied, before it commits, and look once a second whether the store is there still.
// Where the store says that it is another process than before (*progress.RestartedError), the consumer drops what it has in hand, calls accept until it succeeds, and lets its source
// begin again where l says.
func WithLedger(l Ledger, accept func(context.Context) error) Option {
	return func(o *options) { o.ledger, o.accept = l, accept }
}

// WithImpressions makes the consumer of interactions for attribution wait, at its start, after the store's restart and in a backlog, until
// the impressions that were written by then are applied. ends tells the positions of the next ones to be written, of the partitions that hold
// any, and errors of it may pass; applied those of the next ones to apply, from the store that the interactions go to. Where what is lacking
// does not get on for the patience, or nobody tells the ends for as long, it waits no more: that must be longer than a partition is without
// a reader after its own was killed.
func WithImpressions(ends Positions, applied Places, patience time.Duration) Option {
	return func(o *options) { o.ends, o.applied, o.patience = ends, applied, patience }
}

// WithRetry sets the waits between tries of a store that is away; MaxElapsed is ignored, a consumer never gives up.
func WithRetry(p retry.Policy) Option {
	return func(o *options) {
		p.MaxElapsed = 0
		o.policy = p
	}
}
