package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Policy says how long Do waits between tries. Waits grow by half from Initial to Max, each spread by up to half
// either way, so that processes cut off together do not come back together.
type Policy struct {
	Initial    time.Duration `koanf:"initial" help:"wait after the first failed try; default 20ms"`
	Max        time.Duration `koanf:"max" help:"longest wait between two tries; default 500ms"`
	MaxElapsed time.Duration `koanf:"max_elapsed" help:"time after which to give up, 0 = never; default 0s"`
}

// DefaultPolicy waits 20 ms at first and 500 ms at most, and never gives up: what stands on Kafka is not lost by
// waiting, but would be lost by skipping.
func DefaultPolicy() Policy {
	return Policy{Initial: 20 * time.Millisecond, Max: 500 * time.Millisecond}
}

// Validate reports every fault of p, each naming its field and value.
func (p Policy) Validate() error {
	var errs []error
	if p.Initial <= 0 {
		errs = append(errs, fmt.Errorf("retry.initial %s: want more than 0s", p.Initial))
	}
	if p.Max < p.Initial {
		errs = append(errs, fmt.Errorf("retry.max %s: want at least retry.initial (%s)", p.Max, p.Initial))
	}
	if p.MaxElapsed < 0 {
		errs = append(errs, fmt.Errorf("retry.max_elapsed %s: want 0s or more", p.MaxElapsed))
	}
	return errors.Join(errs...)
}

// Do runs op until it succeeds, fails with an error that is not Retryable, p.MaxElapsed is over, or ctx ends. It calls
// notify (may be nil) before each wait. The error is op's last one; when ctx ended, it wraps ctx.Err() as well. Waits
// of zero in p are taken from DefaultPolicy, since a loop without waits would only add to the load that broke it.
func Do(ctx context.Context, p Policy, notify func(err error, wait time.Duration), op func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var last error
	try := func() error {
		last = op(ctx)
		if last == nil || (ctx.Err() == nil && Retryable(last)) {
			return last
		}
		return backoff.Permanent(last)
	}
	err := backoff.RetryNotify(try, backoff.WithContext(p.exponential(), ctx), notify)
	if cause := ctx.Err(); err != nil && cause != nil && !errors.Is(last, cause) {
		return fmt.Errorf("%w, after: %w", cause, last)
	}
	if err != nil {
		return last
	}
	return nil
}

func (p Policy) exponential() *backoff.ExponentialBackOff {
	def := DefaultPolicy()
	if p.Initial <= 0 {
		p.Initial = def.Initial
	}
	if p.Max <= 0 {
		p.Max = max(def.Max, p.Initial)
	}
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(p.Initial),
		backoff.WithMaxInterval(p.Max), backoff.WithMaxElapsedTime(p.MaxElapsed))
}
