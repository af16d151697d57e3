package serving

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Overload is what serve did when more was asked than it can answer. Times are counted from when a request was due, or from when a connection
// was free to send it where that is later: what the load itself cannot send is no wait at the server, and stands in Sent.
type Overload struct {
	Peak     float64 `json:"peak_rps"`      // answers a second of the closed loop with as many connections as always
	Factor   float64 `json:"factor"`        // of the peak that was sent
	Rate     float64 `json:"rate"`          // requests a second that were due
	Sent     float64 `json:"sent_rps"`      // requests a second that were sent; less than Rate where the load cannot keep up
	Goodput  float64 `json:"goodput_rps"`   // answers a second
	Share    float64 `json:"goodput_share"` // of the peak
	Shed     float64 `json:"shed_rps"`      // refusals a second with 503 and Retry-After
	Failed   int64   `json:"failed"`        // anything else
	P50      float64 `json:"p50_ms"`        // of the answers
	P99      float64 `json:"p99_ms"`
	Max      float64 `json:"max_ms"`
	ShedP99  float64 `json:"shed_p99_ms"` // of the refusals
	CPU      float64 `json:"cpu_us"`      // of the server, for each request that was answered or refused
	Fault    string  `json:"fault,omitempty"`
	Recovers float64 `json:"recovers_share"` // failed or refused share of requests at half the peak, a second after the overload
}

// overloadConnections are what the overload comes over: enough that none waits for another's answer.
const overloadConnections = 256

// crowdLoad is an open loop that takes a refusal for what it is.
type crowdLoad struct {
	addr     string
	path     func(n int64, user int) string
	users    int
	workers  int
	interval time.Duration
	warm     time.Duration
	length   time.Duration

	arrivals atomic.Int64
	good     atomic.Int64
	shed     atomic.Int64
	failed   atomic.Int64
	fault    atomic.Pointer[string]
}

// run sends the load and returns the times of answers and of refusals, in microseconds.
func (c *crowdLoad) run(ctx context.Context) (answers, refusals *hdrhistogram.Histogram) {
	begin := time.Now()
	answers, refusals = hdrhistogram.New(1, 60_000_000, 3), hdrhistogram.New(1, 60_000_000, 3)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for w := range c.workers {
		wg.Go(func() {
			good, shed := hdrhistogram.New(1, 60_000_000, 3), hdrhistogram.New(1, 60_000_000, 3)
			c.work(ctx, begin, rand.New(rand.NewPCG(7, uint64(w))), good, shed)
			mu.Lock()
			defer mu.Unlock()
			answers.Merge(good)
			refusals.Merge(shed)
		})
	}
	wg.Wait()
	return answers, refusals
}

func (c *crowdLoad) work(ctx context.Context, begin time.Time, rng *rand.Rand, good, shed *hdrhistogram.Histogram) {
	cl := newClient(c.addr)
	defer cl.close()
	for ctx.Err() == nil {
		n := c.arrivals.Add(1) - 1
		start := begin.Add(time.Duration(n) * c.interval)
		if start.Sub(begin) >= c.warm+c.length {
			return
		}
		switch now := time.Now(); {
		case now.Sub(begin) >= c.warm+c.length:
			return
		case now.After(start):
			start = now
		default:
			time.Sleep(start.Sub(now))
		}
		status, body, err := cl.get(c.path(n, rng.IntN(c.users)))
		if start.Sub(begin) < c.warm {
			continue
		}
		took := max(1, min(time.Since(start).Microseconds(), 60_000_000))
		switch {
		case err == nil && status == http.StatusOK:
			c.good.Add(1)
			_ = good.RecordValue(took) // in range by the line above
		case err == nil && status == http.StatusServiceUnavailable:
			c.shed.Add(1)
			_ = shed.RecordValue(took)
		case ctx.Err() == nil:
			c.failed.Add(1)
			if err == nil {
				err = fmt.Errorf("status %d: %.200s", status, body)
			}
			text := err.Error()
			c.fault.CompareAndSwap(nil, &text)
		}
	}
}

// overload asks for factor times what the closed loop got, then for half of it.
func (b *lab) overload(ctx context.Context, name string, peak, factor float64, path func(n int64, user int) string) (Overload, error) {
	length := time.Duration(b.o.Seconds * float64(time.Second))
	load := func(rate float64, warm, length time.Duration) *crowdLoad {
		return &crowdLoad{addr: b.serve, path: path, users: b.o.Users, workers: overloadConnections, interval: time.Duration(float64(time.Second) / rate), warm: warm, length: length}
	}
	over := load(peak*factor, b.o.Warm, length)
	before, err := b.vitals(ctx)
	if err != nil {
		return Overload{}, err
	}
	done := b.profile(ctx, "overload-"+name, 1)
	answers, refusals := over.run(ctx)
	if err := <-done; err != nil {
		return Overload{}, err
	}
	spent, err := b.vitals(ctx)
	if err != nil {
		return Overload{}, err
	}
	out := Overload{
		Peak: peak, Factor: factor, Rate: peak * factor, Goodput: float64(over.good.Load()) / length.Seconds(),
		Sent: float64(over.good.Load()+over.shed.Load()+over.failed.Load()) / length.Seconds(), Shed: float64(over.shed.Load()) / length.Seconds(),
		Failed: over.failed.Load(), P50: ms(answers, 50), P99: ms(answers, 99), Max: float64(answers.Max()) / 1000, ShedP99: ms(refusals, 99),
	}
	out.Share = out.Goodput / peak
	out.CPU = spent.since(before, "", Load{Requests: over.arrivals.Load()}).CPU
	after := load(peak/2, time.Second, min(length, 5*time.Second))
	after.run(ctx)
	if all := after.good.Load() + after.shed.Load() + after.failed.Load(); all > 0 {
		out.Recovers = float64(after.shed.Load()+after.failed.Load()) / float64(all)
	}
	out.Failed += after.failed.Load()
	for _, l := range []*crowdLoad{over, after} {
		if f := l.fault.Load(); f != nil && out.Fault == "" {
			out.Fault = *f
		}
	}
	b.log.Info("measured", "what", "overload", "due", int(out.Rate), "sent", int(out.Sent), "answered", int(out.Goodput), "refused", int(out.Shed), "p99_ms", out.P99, "failed", out.Failed)
	return out, ctx.Err()
}

// fresh asks for a list that no cache holds, so that every answer is computed.
func fresh(n int64, user int) string { return fmt.Sprintf("%s?exclude=fresh-%d", askFor(user), n) }

// overloads measures answers that are cached and answers that are not.
func (b *lab) overloads(ctx context.Context, r *Result) (err error) {
	var count atomic.Int64
	peak := &loop{to: target{addr: b.serve, path: func(u int) string { return fresh(count.Add(1), u) }}, users: b.o.Users, workers: b.o.Connections, seed: b.o.Seed, warm: b.o.Warm, length: time.Duration(b.o.Seconds * float64(time.Second))}
	peak.run(ctx)
	computed := float64(peak.counted.Load()-peak.failed.Load()) / peak.length.Seconds()
	if computed == 0 {
		err := ctx.Err()
		if f := peak.fault.Load(); err == nil && f != nil {
			err = errors.New(*f)
		}
		return fmt.Errorf("no list could be computed before the overload: %w", cmp.Or(err, errors.New("none was asked for in time")))
	}
	over := map[string]Overload{}
	if err := b.warm(ctx, b.serve); err != nil { // the loads before have changed windows, and their lists have taken others' places
		return err
	}
	if over["unchanged"], err = b.overload(ctx, "unchanged", r.Unchanged.RPS, b.o.Overload, func(_ int64, u int) string { return askFor(u) }); err != nil {
		return err
	}
	over["computed"], err = b.overload(ctx, "computed", computed, b.o.Overload, func(n int64, u int) string { return fresh(count.Add(1)+n, u) })
	r.Overload = over
	return err
}
