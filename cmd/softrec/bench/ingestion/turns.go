package ingestion

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// scriptClients is how many pipelines the bare script has under way: one being built while another is being run, twice.
const scriptClients = 4

// field is what the contestants work on.
type field struct {
	site   *site
	topic  string
	events int
	calls  [scriptClients][][]window.UserBatch // for the script: by client, one pipeline after the other
}

// prepare reads the topic once and makes ready what the bare script gets: the batches that the consumer would make, each
// user's with one client, in order.
func prepare(ctx context.Context, s *site, topic string, events int) (*field, error) {
	f := &field{site: s, topic: topic, events: events}
	var mu sync.Mutex
	var all []broker.Record
	err := broker.Scan(ctx, s.cfg.Kafka, topic, func(r broker.Record) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(all) != events {
		return nil, fmt.Errorf("%d events were written to %q, %d are there", events, topic, len(all))
	}
	most := s.cfg.Ingest.MaxRecords
	for from := 0; from < len(all); from += most {
		if err := f.add(all[from:min(from+most, len(all))]); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// add makes the calls of one batch.
func (f *field) add(recs []broker.Record) error {
	type owner struct {
		user      string
		partition int
	}
	var calls [scriptClients][]window.UserBatch
	at := map[owner]*window.UserBatch{}
	var order []owner
	for _, r := range recs {
		e, err := schema.DecodeEvent(r.Value)
		if err != nil {
			return err
		}
		k := owner{e.UserID, r.Partition}
		if at[k] == nil {
			at[k] = &window.UserBatch{User: e.UserID, Partition: r.Partition}
			order = append(order, k)
		}
		at[k].Records = append(at[k].Records, window.Record{Offset: r.Offset, Interaction: schema.Interaction{
			ItemID: e.ItemID, Type: e.Type, Timestamp: e.Timestamp, Value: e.Value, EventID: e.EventID, SessionID: e.SessionID,
		}})
	}
	for _, k := range order {
		c := maphash.String(seed, k.user) % scriptClients
		calls[c] = append(calls[c], *at[k])
	}
	for c, batch := range calls {
		if len(batch) > 0 {
			f.calls[c] = append(f.calls[c], batch)
		}
	}
	return nil
}

// seed spreads users over clients; which goes where does not matter.
var seed = maphash.MakeSeed()

// rate is events per second.
func rate(events int, took time.Duration) float64 { return float64(events) / took.Seconds() }

// read is the first contestant: kafka-go and the decoder, nothing else.
func (f *field) read(ctx context.Context) (float64, error) {
	var decoded atomic.Int64
	start := time.Now()
	err := broker.Scan(ctx, f.site.cfg.Kafka, f.topic, func(r broker.Record) error {
		_, err := schema.DecodeEvent(r.Value)
		decoded.Add(1)
		return err
	})
	took := time.Since(start)
	if n := int(decoded.Load()); err == nil && n != f.events {
		err = fmt.Errorf("read %d events of %d", n, f.events)
	}
	return rate(f.events, took), err
}

// script is the second: the window script on decoded records.
func (f *field) script(ctx context.Context) (float64, error) {
	win, err := f.site.windows()
	if err != nil {
		return 0, err
	}
	var applied atomic.Int64
	start := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	for _, pipelines := range f.calls {
		g.Go(func() error {
			for _, batch := range pipelines {
				out, err := win.Apply(gctx, batch)
				if err != nil {
					return err
				}
				applied.Add(int64(out.Applied))
			}
			return nil
		})
	}
	err = g.Wait()
	took := time.Since(start)
	if n := int(applied.Load()); err == nil && n != f.events {
		err = fmt.Errorf("the script applied %d events of %d", n, f.events)
	}
	return rate(f.events, took), errors.Join(err, f.site.wipe(ctx))
}

// ingest is the third: the real consumer, from its first fetched record to the last event in its window.
func (f *field) ingest(ctx context.Context) (float64, error) {
	win, err := f.site.windows()
	if err != nil {
		return 0, err
	}
	group, err := broker.NewGroupSource(f.site.cfg.Kafka, f.topic, f.site.group(), broker.WithLogger(f.site.log))
	if err != nil {
		return 0, err
	}
	src := &watchedSource{GroupSource: group}
	store := &watchedWindows{Store: win, want: int64(f.events), done: make(chan struct{})}
	c, err := f.site.consumer(f.topic, src, store)
	if err == nil {
		err = beside(ctx, c.Run, func(ctx context.Context) error {
			select {
			case <-store.done:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}
	took := store.last.Sub(src.first)
	if err == nil && store.applied.Load() != store.want {
		err = fmt.Errorf("the consumer applied %d events of %d", store.applied.Load(), f.events)
	}
	return rate(f.events, took), errors.Join(err, group.Close(), f.site.wipe(ctx))
}

// watchedSource notes when the first record came.
type watchedSource struct {
	*broker.GroupSource
	first time.Time
}

// Fetch implements ingest.Source.
func (s *watchedSource) Fetch(ctx context.Context, max int, wait time.Duration) ([]broker.Record, error) {
	recs, err := s.GroupSource.Fetch(ctx, max, wait)
	if len(recs) > 0 && s.first.IsZero() {
		s.first = time.Now()
	}
	return recs, err
}

// watchedWindows notes when the last event was applied.
type watchedWindows struct {
	*window.Store
	want    int64
	applied atomic.Int64
	last    time.Time
	done    chan struct{}
}

// Apply implements ingest.Windows.
func (w *watchedWindows) Apply(ctx context.Context, batch []window.UserBatch) (window.Outcome, error) {
	out, err := w.Store.Apply(ctx, batch)
	if n := int64(out.Applied); n > 0 && w.applied.Add(n) == w.want {
		w.last = time.Now()
		close(w.done)
	}
	return out, err
}
