package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// breaker stops asking a Redis that is away, so that requests stay fast: after max failures in a row it is open for
// cooldown, then lets one caller through to try. It counts time from start, so that a clock that is set back keeps it open no longer.
type breaker struct {
	max      int32
	cooldown time.Duration
	start    time.Time
	failures atomic.Int32
	until    atomic.Int64 // nanoseconds since start; 0 = closed
}

// allow reports whether the caller may ask. Of the callers after a cooldown exactly one may.
func (b *breaker) allow(now time.Time) bool {
	until := b.until.Load()
	if until == 0 {
		return true
	}
	if int64(now.Sub(b.start)) < until {
		return false
	}
	return b.until.CompareAndSwap(until, b.end(now))
}

// end is when a cooldown from now on ends.
func (b *breaker) end(now time.Time) int64 { return int64(now.Sub(b.start) + b.cooldown) }

func (b *breaker) success() {
	if b.failures.Load() == 0 && b.until.Load() == 0 {
		return // nearly always, and reading is cheaper for all the others
	}
	b.failures.Store(0)
	b.until.Store(0)
}

func (b *breaker) failure(now time.Time) {
	if b.failures.Add(1) >= b.max {
		b.until.Store(b.end(now))
	}
}

func (b *breaker) open() bool { return b.until.Load() != 0 }

// outage reports whether err says that Redis could not be asked, as opposed to an answer nobody likes: only the first
// is worth sparing other requests from.
func outage(err error) bool {
	var reply redis.Error
	if err == nil || errors.As(err, &reply) || errors.Is(err, context.Canceled) {
		return false
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, redis.ErrClosed) || errors.Is(err, redis.ErrPoolTimeout) ||
		errors.Is(err, redis.ErrPoolExhausted)
}
