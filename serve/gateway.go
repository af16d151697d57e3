package serve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

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
}

// read returns the user's window as it is now (the empty one for user "") and brings the catalogue view up to the
// version Redis has, in one round trip when the view is not behind. An error means both may be stale.
func (g *gateway) read(ctx context.Context, user string) (schema.Window, error) {
	var win schema.Window
	err := g.do(ctx, func(ctx context.Context, pipe redis.Pipeliner) func() error {
		window := func() (schema.Window, error) { return schema.Window{}, nil }
		if user != "" {
			window = g.windows.Queue(ctx, pipe, user)
		}
		behind := g.catalogue.Queue(ctx, pipe)
		return func() (err error) {
			late, err := behind() // first: a window that cannot be read must not bring withdrawn items back
			if err != nil {
				return fmt.Errorf("read catalogue version: %w", err)
			}
			if late {
				if err := g.catalogue.Sync(ctx); err != nil {
					return fmt.Errorf("follow catalogue: %w", err)
				}
			}
			if win, err = window(); err != nil {
				return fmt.Errorf("read window %q: %w", user, err)
			}
			return nil
		}
	})
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
		if _, err := pipe.Exec(ctx); outage(err) {
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
