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

// errLeft marks what a caller gets that has left, or whose own deadline has passed: it says nothing about Redis, whatever else it says.
var errLeft = errors.New("the caller has left")

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
		breaker: breaker{max: int32(cfg.BreakerFailures), cooldown: cfg.BreakerCooldown, start: now()},
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
	if err := g.admit(ctx); err != nil {
		return schema.Window{}, err
	}
	win, err := g.convoy.read(ctx, user, room)
	return win, g.judge(ctx, err)
}

// admit lets a caller ask that is still there, while the breaker does. Who has left takes nobody's try.
func (g *gateway) admit(ctx context.Context) error {
	if err := left(ctx); err != nil {
		return fmt.Errorf("%w: %w", errLeft, err)
	}
	if !g.breaker.allow(g.now()) {
		return errSpared
	}
	return nil
}

// judge tells the breaker what became of an admitted caller's question, and marks the error of one that has left.
func (g *gateway) judge(ctx context.Context, err error) error {
	switch {
	case err == nil:
		g.breaker.success()
	case left(ctx) != nil:
		return fmt.Errorf("%w: %w", errLeft, err)
	case errors.Is(err, errRoundTrip): // the breaker heard of it, once for all of the convoy
	case outage(err):
		g.breaker.failure(g.now())
	case !errors.Is(err, context.Canceled):
		g.breaker.success()
	}
	return err
}

// left returns why ctx is over, nil while it is not. A connection that was given the deadline may fail a moment before ctx knows.
func left(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// do runs one pipeline under the request's timeout and the breaker: queue adds commands and returns what reads their
// results, which is called after the round trip under the same timeout.
func (g *gateway) do(ctx context.Context, queue func(ctx context.Context, pipe redis.Pipeliner) func() error) error {
	if err := g.admit(ctx); err != nil {
		return err
	}
	return g.judge(ctx, g.ask(ctx, queue))
}

// ask runs one pipeline under the request's timeout.
func (g *gateway) ask(ctx context.Context, queue func(ctx context.Context, pipe redis.Pipeliner) func() error) error {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	pipe := g.rdb.Pipeline()
	results := queue(ctx, pipe)
	if pipe.Len() > 0 {
		sent := time.Now()
		if err := roundtrip.Exec(ctx, pipe); outage(err) {
			return fmt.Errorf("ask redis: %w", err)
		}
		g.trip(time.Since(sent))
	}
	return results() // each command carries its own error, also redis.Nil that Exec repeats
}
