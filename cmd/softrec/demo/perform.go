package demo

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/cmd/softrec/replay"
)

// lookEvery is how often the demo looks whether something has happened.
const lookEvery = 100 * time.Millisecond

// perform replays, asks and announces until ctx is done.
func (s *show) perform(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, gctx := errgroup.WithContext(ctx)
	if s.opts.enough != nil {
		g.Go(func() error {
			defer stop()
			s.until(gctx, func(context.Context) bool { return s.opts.enough(s.prober.Report()) })
			return nil
		})
	}
	g.Go(func() error { return s.replay(gctx) })
	g.Go(func() error {
		if !s.until(gctx, s.warm) {
			return nil
		}
		return s.prober.Run(gctx)
	})
	g.Go(func() error { return s.announce(gctx) })
	err := g.Wait()
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// warmup is how many interactions are sent as fast as it goes.
func (s *show) warmup() int64 { return int64(float64(s.span.Rows) * s.opts.Warmup) }

// warm reports whether the warm-up has reached the windows and the trainer: only then do clicks measure softrec and not the rush.
// A trainer that takes longer than rushLimit does not hold the demo up.
func (s *show) warm(ctx context.Context) bool {
	if s.arrived.IsZero() {
		events, dead, err := ingested(ctx, s.app.Redis(), s.app.Keys())
		if err != nil || events+dead < max(s.warmup(), 1) {
			return false
		}
		s.arrived = time.Now()
	}
	if time.Since(s.arrived) > rushLimit {
		return true
	}
	lag, err := trainerLag(ctx, s.app.Redis(), s.app.Keys(), s.arrived)
	return err == nil && lag >= 0 && lag <= rushOver
}

const (
	rushLimit = 30 * time.Second // longest wait for the trainer
	rushOver  = 2000             // records, some seconds of the replay: a trainer no further behind keeps up
)

// replay sends the catalogue and the log, then waits for ctx.
func (s *show) replay(ctx context.Context) error {
	cfg := replay.DefaultConfig()
	cfg.Speed, cfg.Warmup = s.opts.Speed, s.warmup()
	cfg.Shift = s.shift()
	player, err := replay.New(cfg, s.app.Producer(), s.recent.Observe)
	if err != nil {
		return err
	}
	items, f, err := openItems()
	if err != nil {
		return err
	}
	defer f.Close()
	defer items.Close()
	if _, err := player.Items(ctx, items, replay.NoProgress()); err != nil {
		return err
	}
	in, g, err := openInteractions()
	if err != nil {
		return err
	}
	defer g.Close()
	defer in.Close()
	progress := replay.NewProgress(s.opts.Out, "replay", s.span.Rows)
	stats, err := player.Interactions(ctx, in, progress)
	progress.Done()
	if err != nil {
		return err
	}
	if stats.Complete {
		s.say("the log is over; softrec goes on with what you click\n")
	}
	<-ctx.Done()
	return nil
}

// shift moves the log so that it ends when its replay does: nothing then lies in the future. Until then the log is behind the
// wall clock; clicks carry, and models rank by, the time of the log.
func (s *show) shift() time.Duration {
	end := s.started
	if s.opts.Speed > 0 {
		rest := (1 - s.opts.Warmup) * float64(s.span.Last.Sub(s.span.First))
		end = end.Add(time.Duration(rest / s.opts.Speed))
	}
	return end.Sub(s.span.Last).Truncate(time.Millisecond)
}

// until waits for a condition; false means that ctx was done before.
func (s *show) until(ctx context.Context, condition func(context.Context) bool) bool {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !condition(ctx) {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}
