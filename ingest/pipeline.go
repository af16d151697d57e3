package ingest

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// ahead is how many batches may wait for the oldest one under way. With lanes that are about as fast as one another, two keep all
// of them busy; more would only hold more in memory when the store is slow.
const ahead = 2

// pipeline is the way of interactions into windows: one goroutine fetches and decodes, Config.Lanes apply, one acknowledges.
//
// A user belongs to one lane, which applies its parts one after the other and tries each until it is in the store. So a user's
// records of one partition are applied in the order of their offsets, as the windows demand, while other users' are under
// way beside them. Batches are acknowledged in the order in which they were fetched, each once all its parts are applied: what
// is committed of a partition is always applied to its last record, though a lane may be some batches ahead of another.
type pipeline struct {
	c     *Consumer
	seed  maphash.Seed
	lanes []chan part
	acks  chan *batch
}

// batch is one fetch on its way.
type batch struct {
	recs    []broker.Record
	events  []decodedEvent
	forgot  []schema.Deletion
	started time.Time
	left    atomic.Int64  // parts that are not applied
	done    chan struct{} // closed when none is left
	applied time.Time     // when done was closed
	trail   *trail        // nil where no record of it is traced
	mu      sync.Mutex
	out     window.Outcome
}

// part is what one lane has to do for a batch.
type part struct {
	of    *batch
	users []window.UserBatch
}

func newPipeline(c *Consumer) *pipeline {
	p := &pipeline{c: c, seed: maphash.MakeSeed(), lanes: make([]chan part, c.cfg.Lanes), acks: make(chan *batch, ahead)}
	for i := range p.lanes {
		p.lanes[i] = make(chan part, 1)
	}
	return p
}

// run consumes until ctx is done, then finishes what it has, for FlushTimeout at most.
func (p *pipeline) run(ctx context.Context) error {
	work, cancel := p.c.outlast(ctx)
	defer cancel()
	g, work := errgroup.WithContext(work)
	for _, lane := range p.lanes {
		g.Go(func() error { return p.apply(work, lane) })
	}
	g.Go(func() error { return p.acknowledge(work) })
	var fault error // of the source: what it gave before is still applied
	g.Go(func() error {
		defer p.end()
		var err error
		fault, err = p.fetch(ctx, work)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return fault
}

// end tells lanes and acknowledger that nothing more comes.
func (p *pipeline) end() {
	for _, lane := range p.lanes {
		close(lane)
	}
	close(p.acks)
}

// fetch hands batches on until ctx or work ends or the source fails. The error err is that of a batch that could not be handed on.
func (p *pipeline) fetch(ctx, work context.Context) (fault, err error) {
	fetching, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(work, cancel)() // a lane that failed ends the fetching too
	for {
		recs, fault := p.c.src.Fetch(fetching, p.c.cfg.MaxRecords, p.c.cfg.MaxDelay)
		if len(recs) > 0 {
			if err := p.hand(work, recs); err != nil {
				return nil, err
			}
		}
		switch {
		case fetching.Err() != nil || work.Err() != nil:
			return nil, nil
		case fault != nil:
			return fmt.Errorf("fetch: %w", fault), nil
		}
	}
}

// hand decodes recs and gives each lane its part. Poison goes first: once its offset may be committed it must be safe
// elsewhere. Where work ends meanwhile there is a lane with a part that it could not apply, and that lane tells.
func (p *pipeline) hand(work context.Context, recs []broker.Record) error {
	c := p.c
	c.took(recs)
	b := &batch{recs: recs, started: time.Now(), done: make(chan struct{})}
	b.trail = newTrail(c.opts.tracer, recs, b.started)
	d := decode(recs, c.cfg.MaxFuture)
	b.events, b.forgot = d.events, d.forgot
	c.metrics.rekeyed.Add(float64(d.rekeyed))
	if err := c.setAside(work, d.bad); err != nil {
		return fmt.Errorf("apply %d records: %w", len(recs), err)
	}
	b.trail.setAside(d.bad)
	if commitFirst {
		c.commit.applied(recs)
		time.Sleep(commitLead)
	}
	parts := make([][]window.UserBatch, len(p.lanes))
	for _, u := range d.users {
		lane := maphash.String(p.seed, u.User) % uint64(len(parts))
		parts[lane] = append(parts[lane], u)
	}
	b.left.Store(1) // this function's own, so that no early lane closes done
	for i, users := range parts {
		if len(users) == 0 {
			continue
		}
		b.left.Add(1)
		select {
		case p.lanes[i] <- part{b, users}:
		case <-work.Done():
			return nil
		}
	}
	b.finish(window.Outcome{})
	select {
	case p.acks <- b:
	case <-work.Done():
	}
	return nil
}

// finish counts one part as applied.
func (b *batch) finish(out window.Outcome) {
	b.mu.Lock()
	b.out = b.out.Add(out)
	b.mu.Unlock()
	if b.left.Add(-1) == 0 {
		b.applied = time.Now()
		close(b.done)
	}
}

// apply puts one lane's parts into the windows, one after the other.
func (p *pipeline) apply(work context.Context, lane <-chan part) error {
	c := p.c
	for one := range lane {
		writing := one.of.trail.write(one.users)
		out, err := p.put(work, one.users)
		writing.end(err)
		c.count(out)
		if err != nil {
			return fmt.Errorf("apply %d records: %w", len(one.of.recs), err)
		}
		one.of.finish(out)
	}
	return nil
}

// put applies users until all of them are in the store. After a fault it goes on with half as many at once, down to one: a store
// that has become so slow that a whole part cannot be answered in time would never be done with it otherwise. What was applied
// and is sent again counts as skipped.
func (p *pipeline) put(work context.Context, users []window.UserBatch) (out window.Outcome, err error) {
	c, together := p.c, len(users)
	err = retry.Do(work, c.opts.policy, c.waiting(whatStore), func(ctx context.Context) error {
		for len(users) > 0 {
			n := min(together, len(users))
			tried, err := c.windows.Apply(ctx, users[:n])
			out = out.Add(tried)
			if err != nil {
				together = max(1, n/2)
				return err
			}
			users = users[n:]
		}
		return nil
	})
	return out, err
}

// acknowledge lets the offsets of batches be committed, in the order in which they were fetched. Receipts come first: a
// tombstone that is committed is not read again.
func (p *pipeline) acknowledge(work context.Context) error {
	c := p.c
	for b := range p.acks {
		select {
		case <-b.done:
		case <-work.Done():
			return nil
		}
		if b.out.Applied > 0 && b.out.Forgotten <= len(b.forgot) { // else some are of a user from before the tombstone, and nobody says which
			c.reporter.offer(b.events)
		}
		if err := c.confirm(work, b.forgot); err != nil {
			if work.Err() != nil {
				return nil
			}
			return fmt.Errorf("confirm %d deletions: %w", len(b.forgot), err)
		}
		c.metrics.apply.Observe(time.Since(b.started).Seconds())
		c.metrics.batch.Observe(float64(len(b.recs)))
		c.observeVisible(b.recs, b.applied)
		b.trail.end()
		c.gave(b.applied)
		c.commit.applied(b.recs)
	}
	return nil
}
