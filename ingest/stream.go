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
	recheck func() // nil, or what the store must do after its restart
	running atomic.Bool
}

// counts are totals since the start, for the page.
type counts struct{ applied, duplicates, late, dead, inHand atomic.Int64 }

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
		s.commit.onRestart(end)
		err := consume(turn)
		if err == nil && ctx.Err() == nil {
			err = context.Cause(turn) // the committer heard of a restart
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

// rewind makes what was applied before the restart be forgotten here too, so that no offset of it is noted or committed.
func (s *stream) rewind(ctx context.Context, source rewinder) error {
	s.commit.flushing.Lock()
	defer s.commit.flushing.Unlock()
	s.commit.forget()
	s.counts.inHand.Store(0)
	s.metrics.inHand.Set(0)
	if err := retry.Do(ctx, s.opts.policy, s.waiting("store"), s.opts.accept); err != nil {
		return fmt.Errorf("go on after the store's restart: %w", err)
	}
	if s.recheck != nil {
		s.recheck()
	}
	source.Rewind()
	return nil
}

// consume fetches and applies one batch after the other until ctx is done.
func (s *stream) consume(ctx context.Context, apply func(context.Context, []broker.Record) error) error {
	for {
		recs, err := s.src.Fetch(ctx, s.cfg.MaxRecords, s.cfg.MaxDelay)
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
	s.counts.inHand.Store(int64(len(recs)))
	s.metrics.inHand.Set(float64(len(recs)))
	start := time.Now()
	err := apply(work, recs)
	s.metrics.apply.Observe(time.Since(start).Seconds())
	s.metrics.inHand.Set(0)
	s.counts.inHand.Store(0)
	if err != nil {
		return fmt.Errorf("apply %d records: %w", len(recs), err)
	}
	s.metrics.batch.Observe(float64(len(recs)))
	now := time.Now()
	s.metrics.delay.Set(age(recs, now).Seconds())
	s.observeVisible(recs, now)
	s.commit.applied(recs)
	return nil
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

// age is how long the oldest of recs took from its record time to now.
func age(recs []broker.Record, now time.Time) time.Duration {
	var oldest time.Duration
	for _, r := range recs {
		if !r.Time.IsZero() {
			oldest = max(oldest, now.Sub(r.Time))
		}
	}
	return oldest
}

// observeVisible measures how long recs took from their own time until now, when all of them are in the store.
func (s *stream) observeVisible(recs []broker.Record, now time.Time) {
	for _, r := range recs {
		if !r.Time.IsZero() {
			s.metrics.visible.Observe(max(0, now.Sub(r.Time).Seconds()))
		}
	}
}

func (s *stream) waiting(what string) func(error, time.Duration) {
	return func(err error, wait time.Duration) {
		s.metrics.retries.WithLabelValues(what).Inc()
		s.opts.log.Warn("try again", "what", what, "wait", wait, "error", err)
	}
}
