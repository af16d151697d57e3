package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/progress"
	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/schema"
)

// stream is what both consumers share: fetch, apply, commit, report.
type stream struct {
	cfg     Config
	src     Source
	dead    DeadLetters
	opts    options
	metrics *metrics
	commit  *committer
	counts  counts
	hand    hand
	recheck func()                                       // nil, or what must be done after the store's restart
	ready   func(context.Context, []broker.Record) error // nil, or what consume waits for before it applies records
	running atomic.Bool
}

// counts are totals since the start, for the page.
type counts struct{ applied, duplicates, late, dead atomic.Int64 }

func newStream(cfg Config, src Source, dead DeadLetters, name string, opts []Option) (*stream, error) {
	if src == nil || dead == nil {
		return nil, errors.New("ingest: source and dead letters are required")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o := newOptions(opts)
	o.log = o.log.With("component", "ingest", "stream", name)
	m, err := newMetrics(o.reg, name)
	if err != nil {
		return nil, err
	}
	if o.ledger != nil && o.accept == nil {
		return nil, errors.New("ingest: a ledger needs a way to accept a restarted store")
	}
	if w, ok := src.(storeWaiter); ok {
		w.CountStoreWaits(m.retries.WithLabelValues(whatStore).Inc)
	}
	return &stream{cfg: cfg, src: src, dead: dead, opts: o, metrics: m, commit: newCommitter(src, cfg, o, m)}, nil
}

// run runs consume, which fetches and applies until ctx is done and finishes what is in hand, and commits a last time. report
// runs beside it.
func (s *stream) run(ctx context.Context, consume func(context.Context) error, report func(context.Context)) error {
	if !s.running.CompareAndSwap(false, true) {
		return errors.New("ingest: Run was called before")
	}
	side, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { s.commit.run(side) })
	beside.Go(func() { report(side) })
	err := s.keepOn(ctx, consume)
	stop()
	beside.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.FlushTimeout)
	defer cancel()
	if !s.commit.flush(last) && err == nil {
		// Not a fault: what was applied is in the store, and comes again to be skipped.
		s.opts.log.Warn("stopped with offsets not committed")
	}
	return err
}

// keepOn runs consume, again from where the store is whenever that was restarted: it may have gone back to an earlier state.
func (s *stream) keepOn(ctx context.Context, consume func(context.Context) error) error {
	for {
		turn, end := context.WithCancelCause(ctx)
		s.commit.onHopeless(end)
		err := consume(turn)
		if ctx.Err() == nil {
			err = because(context.Cause(turn), err) // the committer heard of a restart, or of a store that refuses
		}
		end(nil)
		restarted := new(progress.RestartedError)
		source, can := s.src.(rewinder)
		if ctx.Err() != nil || s.opts.ledger == nil || !can || !errors.As(err, &restarted) {
			return err
		}
		s.opts.log.Warn("the store was restarted: what it may have lost is read again", "error", err)
		if err := s.rewind(ctx, source); err != nil {
			return err
		}
		s.metrics.rewinds.Inc()
	}
}

// because is cause with what it led to: a batch in hand may be unable to end for the same reason, and says less of it.
func because(cause, err error) error {
	switch {
	case cause == nil:
		return err
	case err == nil:
		return cause
	case errors.Is(err, cause):
		return err
	default:
		return fmt.Errorf("%w, with a batch in hand: %w", cause, err)
	}
}

// rewind makes what was applied before the restart be forgotten here too, so that no offset of it is noted or committed.
func (s *stream) rewind(ctx context.Context, source rewinder) error {
	s.commit.flushing.Lock()
	defer s.commit.flushing.Unlock()
	s.commit.forget()
	if err := retry.Do(ctx, s.opts.policy, s.waiting(whatStore), s.opts.accept); err != nil {
		return fmt.Errorf("go on after the store's restart: %w", err)
	}
	if s.recheck != nil {
		s.recheck()
	}
	source.Rewind()
	s.hand.drop()
	s.metrics.inHand.Set(0)
	return nil
}

// consume fetches and applies one batch after the other until ctx is done.
func (s *stream) consume(ctx context.Context, apply func(context.Context, []broker.Record) error) error {
	for {
		recs, err := s.src.Fetch(ctx, s.cfg.MaxRecords, s.cfg.MaxDelay)
		if len(recs) > 0 {
			s.took(recs)
		}
		if len(recs) > 0 && s.ready != nil {
			switch err := s.ready(ctx, recs); {
			case ctx.Err() != nil:
				return nil // nothing of recs is applied: they come again
			case err != nil:
				return err
			}
		}
		if len(recs) > 0 {
			if err := s.batch(ctx, recs, apply); err != nil {
				return err
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("fetch: %w", err)
		}
	}
}

// batch applies recs. A stop does not interrupt it, but from then on it has FlushTimeout: a store that is away must not
// hold up the stop for ever.
func (s *stream) batch(ctx context.Context, recs []broker.Record, apply func(context.Context, []broker.Record) error) error {
	work, cancel := s.outlast(ctx)
	defer cancel()
	start := time.Now()
	err := apply(work, recs)
	s.metrics.apply.Observe(time.Since(start).Seconds())
	if err != nil {
		return fmt.Errorf("apply %d records: %w", len(recs), err)
	}
	s.metrics.batch.Observe(float64(len(recs)))
	now := time.Now()
	s.observeVisible(recs, now)
	s.gave(now)
	s.commit.applied(recs)
	return nil
}

// took notes that recs are in hand.
func (s *stream) took(recs []broker.Record) { s.metrics.inHand.Set(float64(s.hand.take(recs))) }

// gave notes that the oldest batch in hand was applied at a time.
func (s *stream) gave(at time.Time) {
	s.metrics.inHand.Set(float64(s.hand.done(at)))
}

// outlast is a context for what a stop does not interrupt: it ends FlushTimeout after ctx, or with cancel.
func (s *stream) outlast(ctx context.Context) (work context.Context, cancel context.CancelFunc) {
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(s.cfg.FlushTimeout, end)
		context.AfterFunc(work, func() { t.Stop() })
	})
	return work, func() { forget(); end() }
}

// observeVisible measures how long recs took from their own time until now, when all of them are in the store.
func (s *stream) observeVisible(recs []broker.Record, now time.Time) {
	for _, r := range recs {
		if !r.Time.IsZero() {
			s.metrics.visible.Observe(max(0, now.Sub(r.Time).Seconds()))
		}
	}
}

// receipts writes that part has nothing any more of what gone names.
func (s *stream) receipts(ctx context.Context, gone []schema.Deletion, part string) error {
	if err := s.opts.deleted.OpenAll(ctx, gone); err != nil {
		return err
	}
	ids := make([]string, len(gone))
	for i, d := range gone {
		ids[i] = d.ID
	}
	_, err := s.opts.deleted.ConfirmAll(ctx, ids, time.Now(), part)
	return err
}

func (s *stream) waiting(what string) func(error, time.Duration) {
	return func(err error, wait time.Duration) {
		s.metrics.retries.WithLabelValues(what).Inc()
		s.opts.log.Warn("try again", "what", what, "wait", wait, "error", err)
	}
}
