package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/retry"
)

// How records wait for those of a topic that goes first.
const (
	backlog   = 10 * time.Second      // from this age on a record has no claim to find the other topic read already
	lookAgain = 50 * time.Millisecond // between two looks
)

// Positions tells positions by partition.
type Positions func(ctx context.Context) (map[int]int64, error)

// Places tells, by partition, the position of the next record to apply, and whether those of which it has none are applied as far as their
// group has committed: so it is where they were read before places were kept.
type Places func(ctx context.Context) (next map[int]int64, trusted bool, err error)

// inOrder holds records back until those of another topic that were written before them are applied. Live records are not held: the other
// topic is read as fast as they are. After the start, after the store's restart and in a backlog nothing makes one topic be read
// before the other.
type inOrder struct {
	s        *stream
	ends     Positions
	applied  Places
	patience time.Duration
	until    time.Time // what the other topic held then is applied; zero: nobody has looked yet
}

func newInOrder(s *stream) *inOrder {
	return &inOrder{s: s, ends: s.opts.ends, applied: s.opts.applied, patience: s.opts.patience}
}

// forget makes the next record wait: the store may have lost what was applied of the other topic.
func (a *inOrder) forget() { a.until = time.Time{} }

// await returns when recs may be applied. It returns the error of ctx when that ends, a fault of the store that waiting does not cure, and
// nothing else.
func (a *inOrder) await(ctx context.Context, recs []broker.Record) error {
	if a.covers(recs, time.Now()) {
		return nil
	}
	asked := time.Now()
	want, err := a.written(ctx, asked)
	if err != nil {
		return err
	}
	var have, last map[int]int64
	var trusted bool
	for moved := asked; ; {
		if err := a.ask(ctx, func(ctx context.Context) (err error) { have, trusted, err = a.applied(ctx); return err }); err != nil {
			return err
		}
		lacking := lacks(have, trusted, want)
		if len(lacking) == 0 {
			break
		}
		// Only what is lacking counts: the others get on for as long as somebody writes to them.
		if now := time.Now(); last == nil || !maps.Equal(lacking, last) {
			moved, last = now, lacking
		} else if now.Sub(moved) > a.patience {
			a.s.opts.log.Warn("impressions are not applied: interactions go on without them", "stand_still_at", lacking, "written", want)
			break
		}
		if !sleep(ctx, lookAgain) {
			return ctx.Err()
		}
	}
	a.until = asked
	return nil
}

// written tells the ends, or none where the broker has not told them for the patience, from since on: interactions may flow though the other
// topic has no leader. Faults of the store, in which it stands how positions are counted, are waited out: interactions cannot be applied
// without it either.
func (a *inOrder) written(ctx context.Context, since time.Time) (ends map[int]int64, err error) {
	err = a.ask(ctx, func(ctx context.Context) (err error) {
		ends, err = a.ends(ctx)
		switch now := time.Now(); {
		case err == nil || ctx.Err() != nil || !retry.Retryable(err):
		case errors.As(err, new(*broker.StoreError)):
			since = now
		case now.Sub(since) > a.patience:
			a.s.opts.log.Warn("nobody tells how many impressions were written: interactions go on without them", "error", err)
			ends, err = nil, nil
		}
		return err
	})
	return ends, err
}

func (a *inOrder) ask(ctx context.Context, which func(context.Context) error) error {
	if err := retry.Do(ctx, a.s.opts.policy, a.s.waiting("impressions"), which); err != nil {
		return fmt.Errorf("wait for impressions: %w", err)
	}
	return nil
}

// covers reports whether recs need not wait: they are live, or from before the last wait.
func (a *inOrder) covers(recs []broker.Record, now time.Time) bool {
	if a.until.IsZero() {
		return false
	}
	for _, r := range recs {
		if now.Sub(r.Time) >= backlog && !r.Time.Before(a.until) {
			return false
		}
	}
	return true
}

// lacks tells how far have is in the partitions in which that is not as far as want. One that have lacks is passed over where that is
// trusted, and is at 0 where it is not.
func lacks(have map[int]int64, trusted bool, want map[int]int64) map[int]int64 {
	lacking := map[int]int64{}
	for p, at := range want {
		if next, known := have[p]; next < at && (known || !trusted) {
			lacking[p] = next
		}
	}
	return lacking
}
