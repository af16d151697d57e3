package ingestion

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// How the open loop works.
const (
	tick       = time.Millisecond       // events due within one are sent together
	lookEvery  = 500 * time.Microsecond // pause between two looks at the probes' windows: what the figures are good to
	probeRate  = 250                    // events a second whose windows are looked at
	warmUp     = time.Second            // of the load, not counted
	longest    = time.Minute            // that a probe may take before the run is given up
	mostAtOnce = 256                    // calls of Publish under way, so that a broker that is away does not fill the memory
)

// Visible is how long events took from when they were due until a reader saw them in their window.
type Visible struct {
	Rate   int     `json:"rate"`   // events/s offered
	Probes int64   `json:"probes"` // events looked for
	P50    float64 `json:"p50"`    // ms
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
	Late   float64 `json:"publish_p99"` // ms, 99th percentile from due to the broker's word: the part before ingest
}

// probe is an event whose window is looked at. Its user has no other events.
type probe struct {
	user    string
	due     time.Time
	counted bool
}

// loop is one run at one rate.
type loop struct {
	site  *site
	topic string
	win   *window.Store
	rate  int

	probes chan probe
	mu     sync.Mutex
	sent   *hdrhistogram.Histogram // microseconds
	seen   *hdrhistogram.Histogram
}

// visible runs the real consumer under rate events a second for seconds.
func (s *site) visible(ctx context.Context, rate int, seconds float64, seed uint64) (Visible, error) {
	topic, err := s.topic(ctx, "visible")
	if err != nil {
		return Visible{}, err
	}
	win, err := s.windows()
	if err != nil {
		return Visible{}, err
	}
	src, err := broker.NewGroupSource(s.cfg.Kafka, topic, s.group(), broker.WithLogger(s.log))
	if err != nil {
		return Visible{}, err
	}
	l := &loop{site: s, topic: topic, win: win, rate: rate, probes: make(chan probe, 1<<16),
		sent: hdrhistogram.New(1, longest.Microseconds(), 3), seen: hdrhistogram.New(1, longest.Microseconds(), 3)}
	c, err := s.consumer(topic, src, win)
	if err == nil {
		err = beside(ctx, c.Run, func(ctx context.Context) error { return l.run(ctx, seconds, seed) })
	}
	err = errors.Join(err, src.Close(), s.wipe(ctx))
	ms := func(h *hdrhistogram.Histogram, q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return Visible{Rate: rate, Probes: l.seen.TotalCount(), P50: ms(l.seen, 50), P99: ms(l.seen, 99), Max: float64(l.seen.Max()) / 1000, Late: ms(l.sent, 99)}, err
}

// run waits until the consumer works, then sends and looks.
func (l *loop) run(ctx context.Context, seconds float64, seed uint64) error {
	first := probe{user: "probe-first", due: time.Now()}
	if err := l.publish(ctx, []schema.Event{l.probeEvent(first)}, time.Time{}); err != nil {
		return err
	}
	if err := l.look(ctx, []probe{first}); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(l.probes)
		return l.send(gctx, seconds, seed)
	})
	g.Go(func() error { return l.look(gctx, nil) })
	return g.Wait()
}

func (l *loop) probeEvent(p probe) schema.Event {
	return schema.Event{EventID: p.user, UserID: p.user, ItemID: "item-1", Type: schema.DefaultType, Timestamp: p.due}
}

// send offers events when they are due.
func (l *loop) send(ctx context.Context, seconds float64, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 2))
	every := max(1, l.rate/probeRate)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(mostAtOnce)
	start := time.Now()
	total := int(float64(l.rate) * (seconds + warmUp.Seconds()))
	due := func(n int) time.Time {
		return start.Add(time.Duration(float64(n) / float64(l.rate) * float64(time.Second)))
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 0; n < total && gctx.Err() == nil; {
		var events []schema.Event
		var probes []probe
		earliest := due(n)
		for now := time.Now(); n < total && !due(n).After(now); n++ {
			if n%every == 0 {
				p := probe{user: fmt.Sprintf("probe-%d", n), due: due(n), counted: due(n).Sub(start) >= warmUp}
				probes, events = append(probes, p), append(events, l.probeEvent(p))
				continue
			}
			events = append(events, event(rng, n, l.site.users, due(n)))
		}
		if len(events) > 0 {
			for _, p := range probes {
				l.probes <- p // room for minutes of them
			}
			g.Go(func() error { return l.publish(gctx, events, earliest) })
		}
		select {
		case <-ticker.C:
		case <-gctx.Done():
		}
	}
	return g.Wait()
}

// publish sends events and notes how long it took from when the first was due, unless that is zero.
func (l *loop) publish(ctx context.Context, events []schema.Event, due time.Time) error {
	recs := make([]broker.Record, len(events))
	for i, e := range events {
		r, err := record(e)
		if err != nil {
			return err
		}
		recs[i] = r
	}
	if err := l.site.producer.Publish(ctx, l.topic, recs...); err != nil {
		return err
	}
	if !due.IsZero() {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.sent.RecordValue(min(time.Since(due), longest).Microseconds())
	}
	return nil
}

// look reads the windows of probes until each shows its event: of those given, and of all that are sent on l.probes.
func (l *loop) look(ctx context.Context, open []probe) error {
	more := len(open) == 0
	for more || len(open) > 0 {
		if open, more = l.take(ctx, open, more); len(open) == 0 {
			continue
		}
		var err error
		if open, err = l.lookOnce(ctx, open); err != nil {
			return err
		}
		time.Sleep(lookEvery)
	}
	return ctx.Err()
}

// take adds the probes that were sent since; without one in hand it waits. more says whether others may come.
func (l *loop) take(ctx context.Context, open []probe, more bool) ([]probe, bool) {
	for more {
		if len(open) == 0 {
			select {
			case p, ok := <-l.probes:
				if !ok {
					return open, false
				}
				open = append(open, p)
			case <-ctx.Done():
				return nil, false
			}
		}
		select {
		case p, ok := <-l.probes:
			if !ok {
				return open, false
			}
			open = append(open, p)
		default:
			return open, true
		}
	}
	return open, false
}

// lookOnce reads the windows of open in one round trip and returns those that do not show their event yet.
func (l *loop) lookOnce(ctx context.Context, open []probe) ([]probe, error) {
	const most = 500
	asked := open[:min(len(open), most)]
	reads := make([]func() (schema.Window, error), len(asked))
	if _, err := l.site.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range asked {
			reads[i] = l.win.Queue(ctx, pipe, p.user)
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read windows: %w", err)
	}
	now := time.Now()
	var left []probe
	for i, p := range asked {
		w, err := reads[i]()
		switch {
		case err != nil:
			return nil, err
		case len(w.Entries) == 0 && now.Sub(p.due) > longest:
			return nil, fmt.Errorf("an event was not visible within %s", longest)
		case len(w.Entries) == 0:
			left = append(left, p)
		case p.counted:
			if err := l.seen.RecordValue(now.Sub(p.due).Microseconds()); err != nil {
				return nil, err
			}
		}
	}
	// Those asked for longest ago go to the end, so that many that wait do not hide the others.
	return append(append([]probe(nil), open[len(asked):]...), left...), nil
}
