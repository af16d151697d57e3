package pace

import (
	"context"
	"time"
)

const (
	turn    = time.Millisecond // of work between two rests
	longest = 4 * turn         // that a turn counts at most: one that was set aside for long is not to rest without end
	stretch = 16 << 10         // bytes handled between two looks at the clock, tens of microseconds of most work
)

// Pacer makes one computation rest. New makes one.
type Pacer struct {
	done  <-chan struct{}
	rests float64 // of a rest, by the work before it
	left  int     // bytes to the next look at the clock
	began time.Time
}

// New returns a pacer for a computation that begins now and is to take about that share of one processor, 0 to 1 exclusive. After ctx
// is done it rests no more: somebody waits for the computation to end. A share of 1 or more gives nil, one that is not above 0 counts as a thousandth.
func New(ctx context.Context, share float64) *Pacer {
	if share >= 1 {
		return nil
	}
	if !(share >= 0.001) {
		share = 0.001
	}
	return &Pacer{done: ctx.Done(), rests: (1 - share) / share, left: stretch, began: time.Now()}
}

// Did says that so many bytes were handled since the last call, or work worth as much: one byte is about a nanosecond's. It may sleep. Between
// two calls should lie no more than a tenth of a millisecond.
func (p *Pacer) Did(bytes int) {
	if p == nil {
		return
	}
	if p.left -= bytes; p.left <= 0 {
		p.look()
	}
}

// look rests when the turn is over.
func (p *Pacer) look() {
	p.left = stretch
	worked := time.Since(p.began)
	if worked < turn {
		return
	}
	rest := time.NewTimer(time.Duration(float64(min(worked, longest)) * p.rests))
	select {
	case <-rest.C:
	case <-p.done:
		rest.Stop()
	}
	p.began = time.Now()
}

// key is where a context has its pacer.
type key struct{}

// With returns a context for work at the pace of p.
func With(ctx context.Context, p *Pacer) context.Context { return context.WithValue(ctx, key{}, p) }

// Of is the pacer of a context, nil where it has none.
func Of(ctx context.Context) *Pacer {
	p, _ := ctx.Value(key{}).(*Pacer)
	return p
}
