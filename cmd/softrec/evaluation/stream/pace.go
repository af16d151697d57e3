package stream

import (
	"context"
	"time"
)

// pace says when an event is due in a replay of so many events per second. One that falls behind catches up.
type pace struct {
	speed   float64 // events per second; 0 is as fast as it goes
	started time.Time
	lag     []float32 // of the scored questions, in ms
}

// await waits until the event at place n of the log is due and returns how late it is then.
func (p *pace) await(ctx context.Context, n int) (late time.Duration, err error) {
	if p.started.IsZero() {
		p.started = time.Now()
	}
	if p.speed == 0 {
		return 0, ctx.Err()
	}
	due := p.started.Add(time.Duration(float64(n) / p.speed * float64(time.Second)))
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-timer.C:
		}
	}
	return time.Since(due), ctx.Err()
}

// asked notes that a scored question was late.
func (p *pace) asked(late time.Duration) { p.lag = append(p.lag, float32(late.Seconds()*1000)) }
