package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/softrec/softrec/cmd/softrec/logfile"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// Interactions sends a log. It ends early, without an error, when ctx is done; what was read but not yet sent is then
// lost to this replay and will come with the next.
func (p *Player) Interactions(ctx context.Context, log *logfile.Interactions, progress Progress) (Stats, error) {
	s := sender{p: p, progress: progress, pace: pace{speed: p.cfg.Speed}}
	for p.cfg.Limit == 0 || s.read < p.cfg.Limit {
		row, err := log.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.stats, errors.Join(err, s.flush(ctx))
		}
		if err := s.add(ctx, row.Event); err != nil {
			return s.stats, unlessDone(ctx, err)
		}
	}
	if err := s.flush(ctx); err != nil {
		return s.stats, unlessDone(ctx, err)
	}
	s.stats.Complete = true
	return s.stats, nil
}

// sender holds one running replay.
type sender struct {
	p        *Player
	progress Progress
	pace     pace
	batch    []broker.Record
	events   []schema.Event // the batch, for the observer
	read     int64
	stats    Stats
}

// add queues e, after waiting until it is due; waiting begins with what is queued being sent.
func (s *sender) add(ctx context.Context, e schema.Event) error {
	s.read++
	if s.p.cfg.Speed > 0 && s.read > s.p.cfg.Warmup {
		if wait := time.Until(s.pace.due(e.Timestamp)); wait > s.p.cfg.Tick {
			if err := s.flush(ctx); err != nil {
				return err
			}
			if err := sleep(ctx, wait); err != nil {
				return err
			}
		}
	}
	e.Timestamp = e.Timestamp.Add(s.p.cfg.Shift)
	value, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event %q: %w", e.EventID, err)
	}
	s.batch = append(s.batch, broker.Record{Key: []byte(e.UserID), Value: value})
	s.events = append(s.events, e)
	if len(s.batch) >= s.p.cfg.Batch {
		return s.flush(ctx)
	}
	return nil
}

func (s *sender) flush(ctx context.Context) error {
	if len(s.batch) == 0 {
		return nil
	}
	if err := s.p.pub.Publish(ctx, s.p.cfg.EventsTopic, s.batch...); err != nil {
		return fmt.Errorf("publish %d interactions: %w", len(s.batch), err)
	}
	for _, e := range s.events {
		s.p.observe(e)
	}
	s.stats.Sent += int64(len(s.batch))
	s.progress.Add(len(s.batch))
	s.batch, s.events = s.batch[:0], s.events[:0]
	return nil
}

// pace says when an interaction is due.
type pace struct {
	speed   float64
	started time.Time // clock at the first paced interaction
	origin  time.Time // its time in the log
}

// due returns the clock time at which the interaction of time t is to be sent. One that lies before the first, as in
// logs sorted by user, is due at once.
func (p *pace) due(t time.Time) time.Time {
	if p.started.IsZero() {
		p.started, p.origin = time.Now(), t
	}
	return p.started.Add(time.Duration(float64(t.Sub(p.origin)) / p.speed))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
