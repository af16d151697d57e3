package serving

import (
	"context"
	"fmt"
	"time"

	"github.com/softrec/softrec/schema"
)

// Swaps is a load with models that come and go under it, beside the same load without.
type Swaps struct {
	Swaps  int     `json:"swaps"`
	Before Load    `json:"before"` // the same rate without swaps
	During Load    `json:"during"`
	Ratio  float64 `json:"p99_ratio"` // during over before
}

// swaps sends the changed load at a rate, first alone, then while the pointer moves between two snapshots as fast as serve follows it.
func (b *lab) swaps(ctx context.Context, rate float64) (*Swaps, error) {
	s := &Swaps{Swaps: b.o.Swaps}
	if err := s.Before.arrive(ctx, b.o, b.changed(), rate); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.swap(ctx) }()
	during := b.o
	for ended := false; !ended; {
		// The load runs in turns until the last swap is through; the slowest turn's quantiles count.
		var turn Load
		if err := turn.arrive(ctx, during, b.changed(), rate); err != nil {
			cancel()
			<-done
			return nil, err
		}
		s.During.worse(turn)
		select {
		case err := <-done:
			if err != nil {
				return nil, err
			}
			ended = true
		default:
		}
		during.Warm = 0
	}
	s.Ratio = s.During.P99 / s.Before.P99
	b.log.Info("measured", "what", "swaps", "swaps", s.Swaps, "p99_ms", s.During.P99, "without", s.Before.P99, "failed", s.During.Failed)
	return s, nil
}

// worse keeps the larger times and adds the counts.
func (l *Load) worse(turn Load) {
	l.P50, l.P99, l.P999, l.Max = max(l.P50, turn.P50), max(l.P99, turn.P99), max(l.P999, turn.P999), max(l.Max, turn.Max)
	l.Failed, l.Requests, l.Rate = l.Failed+turn.Failed, l.Requests+turn.Requests, turn.Rate
	if l.Fault == "" {
		l.Fault = turn.Fault
	}
}

// swap moves the pointer b.o.Swaps times, each time once serve answers with the model before.
func (b *lab) swap(ctx context.Context) error {
	c := newClient(b.serve)
	defer c.close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := range b.o.Swaps {
		want := b.live[(n+1)%len(b.live)]
		if err := b.stock.live.Promote(ctx, want); err != nil {
			return err
		}
		for deadline := time.Now().Add(2 * time.Minute); ; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			status, body, err := c.get(askFor(0))
			if err != nil {
				return fmt.Errorf("ask for the model: %w", err)
			}
			if status == 503 || status == 429 {
				continue // turned away like others of the load, where it counts as failed
			}
			if status != 200 {
				return fmt.Errorf("ask for the model: status %d: %.200s", status, body)
			}
			a, err := schema.DecodeAnswer(body)
			if err != nil {
				return err
			}
			if a.ModelVersion == want {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("serve still answers with %s, want %s", a.ModelVersion, want)
			}
		}
	}
	return nil
}
