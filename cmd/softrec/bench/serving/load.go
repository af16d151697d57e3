package serving

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// target is what a load asks. Each connection has its own users, so that two of them never change one user's window at once.
type target struct {
	addr string
	// prepare is done before the request of a user, nil for nothing; it counts in the request's time.
	prepare func(ctx context.Context, user int) error
	path    func(user int) string
	// check looks at some of the answers, nil for none.
	check func(user int, body []byte) error
}

// checkEvery is how many answers pass between two that are looked at.
const checkEvery = 64

// Load is what one load found. Times are from the open loop, counted from when a request should have been sent.
type Load struct {
	RPS       float64 `json:"rps"`        // answers a second of the closed loop
	P50       float64 `json:"p50_ms"`     // of the open loop
	P99       float64 `json:"p99_ms"`     // of the open loop
	P999      float64 `json:"p999_ms"`    // of the open loop
	Max       float64 `json:"max_ms"`     // of the open loop
	Failed    int64   `json:"failed"`     // of both loops
	Requests  int64   `json:"requests"`   // of both loops
	Rate      float64 `json:"rate"`       // requests a second that the open loop sent
	ClosedP50 float64 `json:"closed_p50"` // ms
	ClosedP99 float64 `json:"closed_p99"` // ms
	Fault     string  `json:"fault,omitempty"`

	times *hdrhistogram.Histogram // of the open loop, microseconds
}

// loop is one running load.
type loop struct {
	to       target
	users    int
	workers  int
	seed     uint64
	begin    time.Time
	warm     time.Duration // nothing counts before begin + warm
	length   time.Duration
	interval time.Duration // between arrivals; 0 for a closed loop

	arrivals atomic.Int64
	failed   atomic.Int64
	counted  atomic.Int64
	fault    atomic.Pointer[string]
}

// run sends the load and returns the times in microseconds.
func (l *loop) run(ctx context.Context) *hdrhistogram.Histogram {
	l.begin = time.Now()
	times := make([]*hdrhistogram.Histogram, l.workers)
	var wg sync.WaitGroup
	for i := range times {
		times[i] = hdrhistogram.New(1, 60_000_000, 3)
		wg.Go(func() { l.work(ctx, i, times[i]) })
	}
	wg.Wait()
	for _, t := range times[1:] {
		times[0].Merge(t)
	}
	return times[0]
}

func (l *loop) work(ctx context.Context, worker int, times *hdrhistogram.Histogram) {
	c := newClient(l.to.addr)
	defer c.close()
	rng := rand.New(rand.NewPCG(l.seed, uint64(worker)))
	own := (l.users - worker + l.workers - 1) / l.workers // users worker, worker + workers, ...
	if own <= 0 {
		return
	}
	end := l.begin.Add(l.warm + l.length)
	for n := 0; ctx.Err() == nil; n++ {
		start := time.Now()
		if l.interval > 0 {
			start = l.begin.Add(time.Duration(l.arrivals.Add(1)-1) * l.interval)
			time.Sleep(time.Until(start))
		}
		if !start.Before(end) {
			return
		}
		user := worker + l.workers*rng.IntN(own)
		err := l.ask(ctx, c, user, n%checkEvery == 0)
		if start.Sub(l.begin) < l.warm {
			continue
		}
		l.counted.Add(1)
		_ = times.RecordValue(max(1, min(time.Since(start).Microseconds(), 60_000_000))) // in range by the line itself
		if err != nil && ctx.Err() == nil {
			l.failed.Add(1)
			text := err.Error()
			l.fault.CompareAndSwap(nil, &text)
		}
	}
}

func (l *loop) ask(ctx context.Context, c *client, user int, look bool) error {
	if l.to.prepare != nil {
		if err := l.to.prepare(ctx, user); err != nil {
			return err
		}
	}
	status, body, err := c.get(l.to.path(user))
	if err != nil {
		return err
	}
	if status != 200 {
		return fmt.Errorf("status %d: %.200s", status, body)
	}
	if look && l.to.check != nil {
		return l.to.check(user, body)
	}
	return nil
}

func ms(times *hdrhistogram.Histogram, quantile float64) float64 {
	return float64(times.ValueAtQuantile(quantile)) / 1000
}

// measure runs the closed loop, then the open one at a share of its rate.
func measure(ctx context.Context, o Options, to target) (Load, error) {
	out := closed(ctx, o, to)
	if out.RPS == 0 || ctx.Err() != nil {
		return out, ctx.Err()
	}
	return out, out.arrive(ctx, o, to, out.RPS*o.Share)
}

// closed runs the closed loop alone.
func closed(ctx context.Context, o Options, to target) Load {
	length := time.Duration(o.Seconds * float64(time.Second))
	l := &loop{to: to, users: o.Users, workers: o.Connections, seed: o.Seed, warm: o.Warm, length: length}
	times := l.run(ctx)
	out := Load{
		RPS: float64(l.counted.Load()-l.failed.Load()) / length.Seconds(), ClosedP50: ms(times, 50), ClosedP99: ms(times, 99),
		Failed: l.failed.Load(), Requests: l.counted.Load(),
	}
	out.note(l)
	return out
}

// arrive runs the open loop at a rate and adds what it found.
func (l *Load) arrive(ctx context.Context, o Options, to target, rate float64) error {
	l.Rate = rate
	open := &loop{
		to: to, users: o.Users, workers: o.Connections, seed: o.Seed + 1, warm: o.Warm, length: time.Duration(o.Seconds * float64(time.Second)),
		interval: time.Duration(float64(time.Second) / rate),
	}
	l.took(open.run(ctx))
	l.Failed += open.failed.Load()
	l.Requests += open.counted.Load()
	l.note(open)
	return ctx.Err()
}

// took adds the times of an open loop to those that l has.
func (l *Load) took(times *hdrhistogram.Histogram) {
	if l.times == nil {
		l.times = times
	} else {
		l.times.Merge(times)
	}
	l.P50, l.P99, l.P999, l.Max = ms(l.times, 50), ms(l.times, 99), ms(l.times, 99.9), float64(l.times.Max())/1000
}

// pool adds another turn of the same open loop.
func (l *Load) pool(turn Load) {
	l.took(turn.times)
	l.Failed, l.Requests, l.Rate = l.Failed+turn.Failed, l.Requests+turn.Requests, turn.Rate
	if l.Fault == "" {
		l.Fault = turn.Fault
	}
}

// note keeps the first fault.
func (l *Load) note(of *loop) {
	if f := of.fault.Load(); f != nil && l.Fault == "" {
		l.Fault = *f
	}
}
