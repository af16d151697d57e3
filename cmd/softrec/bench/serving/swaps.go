package serving

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Swaps is a load with models that come and go under it, beside the same load without.
type Swaps struct {
	Swaps   int     `json:"swaps"`
	Without Load    `json:"without"` // the same rate without swaps, half of it before them and half after
	During  Load    `json:"during"`
	Ratio   float64 `json:"p99_ratio"`         // during over without
	Worst   float64 `json:"worst_turn_p99_ms"` // of the turns during the swaps, each as long as a loop
	Seconds float64 `json:"seconds_a_swap"`    // from the moved pointer to the first answer of the new model, in the mean
}

// swaps sends the changed load at a rate, first alone, then while the pointer moves between two snapshots as fast as serve follows it, then alone again.
func (b *lab) swaps(ctx context.Context, rate float64) (*Swaps, error) {
	s := &Swaps{Swaps: b.o.Swaps}
	if err := s.Without.arrive(ctx, b.o, b.changed(b.serve), rate); err != nil {
		return nil, err
	}
	if err := b.under(ctx, s, rate); err != nil {
		return nil, err
	}
	if err := s.Without.arrive(ctx, b.o, b.changed(b.serve), rate); err != nil {
		return nil, err
	}
	s.Ratio = s.During.P99 / s.Without.P99
	b.log.Info("measured", "what", "swaps", "swaps", s.Swaps, "p99_ms", s.During.P99, "without", s.Without.P99, "failed", s.During.Failed, "seconds", s.Seconds)
	return s, nil
}

// under runs the load in turns until the last swap is through.
func (b *lab) under(ctx context.Context, s *Swaps, rate float64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done, start, took := make(chan error, 1), time.Now(), time.Duration(0)
	go func() {
		err := b.swap(ctx)
		took = time.Since(start)
		done <- err
	}()
	o := b.o
	for {
		var turn Load
		if err := turn.arrive(ctx, o, b.changed(b.serve), rate); err != nil {
			cancel()
			<-done
			return err
		}
		s.During.pool(turn)
		s.Worst = max(s.Worst, turn.P99)
		select {
		case err := <-done:
			s.Seconds = took.Seconds() / float64(s.Swaps)
			return err
		default:
		}
		o.Warm = 0
	}
}

// swap moves the pointer b.o.Swaps times, each time once serve has the model before. It asks on the private port: one more question beside
// those of the load could be the one too many that serve turns away.
func (b *lab) swap(ctx context.Context) error {
	c := newClient(b.admin)
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
			status, body, err := c.get("/readyz")
			if err != nil {
				return fmt.Errorf("ask for the model: %w", err)
			}
			if strings.Contains(string(body), "model "+want) {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("serve does not have %s: status %d, %.200s", want, status, body)
			}
		}
	}
	return nil
}
