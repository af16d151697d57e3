package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// Pace and sizes of what a reporter shows.
const (
	feedEvery    = 250 * time.Millisecond
	feedEvents   = 50 // most events per feedEvery
	statusEvery  = time.Second
	rateOver     = 5 // status intervals over which the rate is taken
	reportWithin = time.Second
)

// reporter keeps the lag metrics and shows a stream on the page. The consumer only ever hands it a few events under a
// short lock.
type reporter struct {
	s    *stream
	page Page // nil: metrics only
	name string

	feeding sync.Mutex // held while the page is fed; before mu

	mu     sync.Mutex
	recent []decodedEvent // newest feedEvents, oldest first

	rates   []rateSample // oldest first
	waiting waiting      // as far as the source told last
}

// waiting is how many records wait: all of them, and by partition those that were not taken.
type waiting struct {
	all   int64
	parts map[int]int64
}

type rateSample struct {
	at      time.Time
	applied int64
}

func newReporter(s *stream, page Page) *reporter {
	return &reporter{s: s, page: page, name: cmp.Or(s.cfg.Instance, hostName())}
}

// hostName tells the processes of a group apart: in a container it is the container's own.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "ingest"
	}
	return name
}

// offer hands over applied events; what does not fit until the next feed is dropped and counted.
func (r *reporter) offer(events []decodedEvent) {
	if r.page == nil {
		return
	}
	total := len(events)
	events = events[max(0, total-feedEvents):]
	r.mu.Lock()
	r.recent = append(r.recent, events...)
	drop := max(0, len(r.recent)-feedEvents)
	r.recent = append(r.recent[:0], r.recent[drop:]...)
	r.mu.Unlock()
	r.s.metrics.pageLost.Add(float64(total - len(events) + drop))
}

// forget drops what waits for the page of users, and returns when nothing of it is on its way there.
func (r *reporter) forget(users []string) {
	gone := setOf(users)
	r.feeding.Lock()
	defer r.feeding.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent = slices.DeleteFunc(r.recent, func(e decodedEvent) bool { return gone[e.event.UserID] })
}

// run reports until ctx ends.
func (r *reporter) run(ctx context.Context) {
	feed := time.NewTicker(feedEvery)
	defer feed.Stop()
	status := time.NewTicker(statusEvery)
	defer status.Stop()
	for {
		select {
		case <-ctx.Done():
			r.leave(ctx)
			return
		case <-feed.C:
			r.try(ctx, "feed the page", r.feed)
		case now := <-status.C:
			r.try(ctx, "report to the page", func(ctx context.Context) error { return r.status(ctx, now) })
		}
	}
}

func (r *reporter) leave(ctx context.Context) {
	if r.page == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	r.try(ctx, "feed the page", r.feed)
	r.try(ctx, "leave the page", func(ctx context.Context) error { return r.page.Leave(ctx, r.name) })
}

// try is best effort: the page may miss something, the windows never wait for it.
func (r *reporter) try(ctx context.Context, what string, do func(context.Context) error) {
	short, cancel := context.WithTimeout(ctx, reportWithin)
	defer cancel()
	if err := do(short); err != nil && ctx.Err() == nil {
		r.s.opts.log.Debug(what, "error", err)
	}
}

// RecentEvent is one element of the page's list of newest events: the event and the record it came from.
type RecentEvent struct {
	schema.Event
	Partition int   `json:"partition"`
	Offset    int64 `json:"offset"`
}

func (r *reporter) feed(ctx context.Context) error {
	r.feeding.Lock()
	defer r.feeding.Unlock()
	r.mu.Lock()
	events := r.recent
	r.recent = nil
	r.mu.Unlock()
	docs := make([][]byte, 0, len(events))
	for _, e := range events {
		doc, err := json.Marshal(RecentEvent{Event: e.event, Partition: e.partition, Offset: broker.Record{Offset: e.offset}.KafkaOffset()})
		if err != nil {
			return err
		}
		docs = append(docs, doc)
	}
	if len(docs) == 0 {
		return nil
	}
	return r.page.Recent(ctx, docs)
}

func (r *reporter) status(ctx context.Context, now time.Time) error {
	lag, parts := r.lag(ctx, now)
	if r.page == nil {
		return nil
	}
	c := &r.s.counts
	st := schema.IngestStatus{
		Instance: r.name, At: now.UTC(), Events: c.applied.Load(), Duplicates: c.duplicates.Load(),
		Late: c.late.Load(), DeadLetters: c.dead.Load(), Lag: lag, Partitions: parts,
	}
	st.Rate = r.rate(rateSample{now, st.Events})
	return r.page.Status(ctx, st)
}

// lag asks the source, adds what is in hand and keeps the metrics up to date. Of partitions it counts what was not taken. While the source
// cannot tell, what waited is taken to wait on: its troubles it tells itself.
func (r *reporter) lag(ctx context.Context, now time.Time) (int64, []schema.PartitionLag) {
	all := r.s.hand.size()
	if src, ok := r.s.src.(lagger); ok {
		if parts, err := src.Lag(ctx); err == nil {
			r.waiting = waiting{all, parts}
			r.s.metrics.lags.Reset() // a partition may have gone to another process
			for p, n := range parts {
				r.waiting.all += n
				r.s.metrics.lags.WithLabelValues(strconv.Itoa(p)).Set(float64(n))
			}
		}
		all = max(all, r.waiting.all)
	}
	by := []schema.PartitionLag{}
	for _, p := range slices.Sorted(maps.Keys(r.waiting.parts)) {
		by = append(by, schema.PartitionLag{Partition: p, Lag: r.waiting.parts[p]})
	}
	r.s.metrics.lag.Set(float64(all))
	r.s.metrics.delay.Set(since(r.s.hand.waits(r.waiting.parts, now), now).Seconds())
	return all, by
}

// rate is events per second since the oldest sample kept.
func (r *reporter) rate(now rateSample) float64 {
	r.rates = append(r.rates, now)
	if len(r.rates) > rateOver+1 {
		r.rates = r.rates[1:]
	}
	first := r.rates[0]
	if d := now.at.Sub(first.at).Seconds(); d > 0 {
		return float64(now.applied-first.applied) / d
	}
	return 0
}
