package shed

import (
	"context"
	"runtime"
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
}

// New returns a controller for a checked configuration.
func New(cfg Config) *Controller {
	least := cfg.Least
	if least == 0 {
		least = min(8*runtime.GOMAXPROCS(0), cfg.Most)
	}
	return &Controller{cfg: cfg, least: int64(least)}
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
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.step(runs.wait(quantile))
		}
	}
}

// step moves every limit after a tick in which goroutines waited for a processor as long as scheduling says.
func (c *Controller) step(scheduling time.Duration) {
	wait := scheduling
	if trip, n := c.trips.take(quantile); n > 0 {
		wait = max(wait, c.base.above(trip))
	}
	c.waited.Store(int64(wait))
	for _, l := range c.limiters {
		l.adapt(wait > c.cfg.Target, c.least, int64(c.cfg.Most))
	}
}
