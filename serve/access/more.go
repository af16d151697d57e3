package access

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// More takes n further requests out of the allowance of the caller of this context, whom Check let in: for one that asks for many things at once. It takes
// all or none. More than the key's burst are let through when the allowance is full; what is above the burst is owed, and nothing is let through until it is
// paid. An error is a *Refusal with the status 429, whose RetryAfter is when the whole will be let through; what Check took is then given back.
func (g *Guard) More(ctx context.Context, n int) error {
	h := From(ctx).holder
	if h == nil && !g.Closed() {
		h = g.free
	}
	if h == nil { // the path is open
		return nil
	}
	if wait := h.more(g.now(), n); wait > 0 {
		g.limited.WithLabelValues(h.key.Name).Inc()
		return h.refusal(wait)
	}
	return nil
}

// more is wait for n requests beside the one that was taken.
func (h *holder) more(now time.Time, n int) time.Duration {
	if h.limiter == nil || n <= 0 {
		return 0
	}
	burst := h.limiter.Burst()
	first := min(n, burst-1) // with the one that was taken: a full allowance
	if d := h.take(now, first); d > 0 {
		h.limiter.ReserveN(now, -1) // gives back, also while more is owed than that: AllowN would refuse it then
		return d
	}
	for n -= first; n > 0; n -= burst {
		h.limiter.ReserveN(now, min(n, burst)) // at most a burst at once
	}
	return 0
}

// refusal is the answer to a caller who is over the rate.
func (h *holder) refusal(wait time.Duration) *Refusal {
	return &Refusal{Status: http.StatusTooManyRequests, Reason: "rate", RetryAfter: wait,
		Detail: fmt.Sprintf("the key %q is over its rate of %g requests a second", h.key.Name, float64(h.limiter.Limit()))}
}
