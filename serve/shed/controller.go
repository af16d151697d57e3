package shed

import (
	"context"
	"sync/atomic"
	"time"
)

// Tick is how often the limits move. It is long enough for some hundreds of goroutines to have waited, and short enough
// that what waits at the beginning of an overload is gone within the patience of a client.
const Tick = 10 * time.Millisecond

// quantile of the waits that is held against the target.
const quantile = 0.9

// Controller sets the limits of its limiters.
type Controller struct {
	cfg      Config
	least    int64
	limiters []*Limiter
	trips    waits    // to Redis
	base     baseline // of the trips
	waited   atomic.Int64
	cpu      func() time.Duration // that the process has used so far
}

// ours is the share of its processors that a process uses at least when its goroutines wait for each other. Below it the
// system gives the processors to somebody else, or a quota withholds them: those waits are as long however few requests are let
// in, and refusing would only add to the harm. A half leaves room for a Redis and clients on the same machine.
const ours = 1.0 / 2

// New returns a controller for a checked configuration.
func New(cfg Config) *Controller {
	least := cfg.Least
	if least == 0 {
		least = min(8*processors(), cfg.Most)
	}
	return &Controller{cfg: cfg, least: int64(least), cpu: processTime}
}

// Limiter adds a class of requests. Call it before Run.
func (c *Controller) Limiter() *Limiter {
	l := &Limiter{}
	l.limit.Store(int64(c.cfg.Most))
	c.limiters = append(c.limiters, l)
	return l
}

// Observe notes how long a round trip to Redis took.
func (c *Controller) Observe(d time.Duration) { c.trips.add(d) }

// Waited is the wait that was felt last, at the 90th percentile.
func (c *Controller) Waited() time.Duration { return time.Duration(c.waited.Load()) }

// Run moves the limits until ctx is done. With a target of 0 it moves nothing.
func (c *Controller) Run(ctx context.Context) {
	if c.cfg.Target == 0 {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(Tick)
	defer tick.Stop()
	runs := newScheduling()
	use := usage{cpu: c.cpu(), at: time.Now(), share: 1}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.step(runs.wait(quantile), use.since(c.cpu(), time.Now()))
		}
	}
}

// step moves every limit after a tick in which goroutines waited for a processor as long as scheduling says, while the process
// used that share of its processors.
func (c *Controller) step(scheduling time.Duration, share float64) {
	wait := time.Duration(0)
	if share >= ours {
		wait = scheduling
	}
	if trip, n := c.trips.take(quantile); n > 0 {
		// Whoever sends a trip and whoever takes its answer wait for a processor, too; that is not Redis' part.
		wait = max(wait, c.base.above(trip)-2*scheduling)
	}
	c.waited.Store(int64(wait))
	for _, l := range c.limiters {
		l.adapt(wait > c.cfg.Target, c.least, int64(c.cfg.Most))
	}
}
