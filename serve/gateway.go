package serve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/roundtrip"
	"github.com/softrec/softrec/schema"
)

// errSpared is what a request gets while the breaker is open.
var errSpared = errors.New("redis did not answer a moment ago and is left alone for now")

// gateway is the one way a request reaches Redis.
type gateway struct {
	rdb       redis.UniversalClient
	windows   Windows
	catalogue Catalogue
	timeout   time.Duration
	now       func() time.Time
	trip      func(took time.Duration) // told how long each round trip that was answered took
	breaker   breaker
	convoy    convoy
}

// newGateway returns the way to Redis.
func newGateway(rdb redis.UniversalClient, windows Windows, catalogue Catalogue, cfg Config, now func() time.Time) *gateway {
	g := &gateway{
		rdb: rdb, windows: windows, catalogue: catalogue, timeout: cfg.RedisTimeout, now: now,
		trip:    func(time.Duration) {},
		breaker: breaker{max: int32(cfg.BreakerFailures), cooldown: cfg.BreakerCooldown},
	}
	g.convoy.gateway = g
	return g
}

// read returns the user's window as it is now (the empty one for user "") and brings the catalogue view up to the
// version Redis has, in one round trip when the view is not behind. An error means both may be stale. Requests that meet
// share their round trips, see convoy.
func (g *gateway) read(ctx context.Context, user string) (schema.Window, error) {
	return g.readInto(ctx, user, nil)
}

// readInto is read with room that the entries may be laid into.
func (g *gateway) readInto(ctx context.Context, user string, room []schema.Interaction) (schema.Window, error) {
	if !g.breaker.allow(g.now()) {
		return schema.Window{}, errSpared
	}
	win, err := g.convoy.read(ctx, user, room)
	switch {
	case errors.Is(err, errRoundTrip): // the breaker heard of it, once for all of the convoy
	case outage(err):
		g.breaker.failure(g.now())
	case !errors.Is(err, context.Canceled): // a client that left says nothing about Redis
		g.breaker.success()
	}
	return win, err
}

// do runs one pipeline under the request's timeout and the breaker: queue adds commands and returns what reads their
// results, which is called after the round trip under the same timeout.
func (g *gateway) do(ctx context.Context, queue func(ctx context.Context, pipe redis.Pipeliner) func() error) error {
	if !g.breaker.allow(g.now()) {
		return errSpared
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	pipe := g.rdb.Pipeline()
	results := queue(ctx, pipe)
	if pipe.Len() > 0 {
		sent := time.Now()
		if err := roundtrip.Exec(ctx, pipe); outage(err) {
			g.breaker.failure(g.now())
			return fmt.Errorf("ask redis: %w", err)
		}
		g.trip(time.Since(sent))
	}
	err := results() // each command carries its own error, also redis.Nil that Exec repeats
	switch {
	case outage(err):
		g.breaker.failure(g.now())
	case !errors.Is(err, context.Canceled): // a client that left says nothing about Redis
		g.breaker.success()
	}
	return err
}
