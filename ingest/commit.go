package ingest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/progress"
	"github.com/softrec/softrec/ingest/retry"
)

// commitAgain is the wait after a commit that failed, commitEvery the one after a good one: what is applied meanwhile goes with
// the next, and a full stream does not spend its time on commits.
const (
	commitAgain = 300 * time.Millisecond
	commitEvery = 10 * time.Millisecond
)

// lookEvery is the time between two looks whether the store is the process that it was: a consumer with nothing to write would not notice.
const lookEvery = time.Second

// Values of the label result for a commit that failed: at the store's sync, the look after it, its ledger or the broker.
const (
	resultSync   = "sync_error"
	resultLook   = "look_error"
	resultNote   = "note_error"
	resultCommit = "error"
)

// committer commits what was applied, off the consumer's path. It keeps only the highest offset of each partition.
type committer struct {
	src      Source
	durable  Durable // nil: what is applied is safe
	awaited  bool    // durable costs nothing but time
	ledger   Ledger  // nil: Kafka alone knows how far it is applied
	interval time.Duration
	log      *slog.Logger
	metrics  *metrics
	wake     chan struct{}

	flushing sync.Mutex // held while offsets are on their way; before mu

	mu       sync.Mutex
	pending  map[int]broker.Record // by partition: applied, not committed
	hopeless func(error)           // told of a fault of the store that no waiting mends; nil for nobody
}

func newCommitter(src Source, cfg Config, o options, m *metrics) *committer {
	return &committer{
		src: src, durable: o.durable, awaited: o.awaited, ledger: o.ledger, interval: cfg.SyncInterval, log: o.log, metrics: m,
		wake: make(chan struct{}, 1), pending: map[int]broker.Record{},
	}
}

// applied notes that recs are in the store.
func (c *committer) applied(recs []broker.Record) {
	c.mu.Lock()
	for _, r := range recs {
		if have, ok := c.pending[r.Partition]; !ok || r.Offset > have.Offset {
			c.pending[r.Partition] = broker.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
		}
	}
	c.metrics.pending.Set(float64(len(c.pending)))
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run commits until ctx ends: at once where the store is safe by itself, every interval where it must be synced. With nothing to commit it
// looks after the store.
func (c *committer) run(ctx context.Context) {
	var look <-chan time.Time
	if c.ledger != nil {
		t := time.NewTicker(lookEvery)
		defer t.Stop()
		look = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-look:
			c.look(ctx)
			continue
		case <-c.wake:
		}
		for pause := c.pause(0); ; {
			if !sleep(ctx, pause) {
				return
			}
			start := time.Now()
			if c.flush(ctx) {
				wait := commitEvery
				if c.durable != nil && !c.awaited {
					// The next pause starts here: a sync that takes long makes commits rarer, not the store slower.
					wait = c.pause(time.Since(start)) - c.interval
				}
				if !sleep(ctx, wait) {
					return
				}
				break
			}
			pause = commitAgain
		}
	}
}

// pause is the time before a commit whose predecessor took some.
func (c *committer) pause(took time.Duration) time.Duration {
	if c.durable == nil || c.awaited {
		return 0
	}
	return max(c.interval, 9*took)
}

// forget drops what is pending.
func (c *committer) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.pending)
	c.metrics.pending.Set(0)
}

// flush commits what is pending now; false means that something is left.
func (c *committer) flush(ctx context.Context) bool {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	c.mu.Lock()
	recs := make([]broker.Record, 0, len(c.pending))
	for _, r := range c.pending {
		recs = append(recs, r)
	}
	c.mu.Unlock()
	if len(recs) == 0 {
		return true
	}
	if c.durable != nil { // recs were taken before the sync begins: that is what it covers
		start := time.Now()
		if err := c.durable.Sync(ctx); err != nil {
			c.failed(ctx, resultSync, "sync the store again, nothing is committed meanwhile", err)
			return false
		}
		c.metrics.sync.Observe(time.Since(start).Seconds())
		if c.ledger != nil { // a node that died meanwhile took its newest writes along, and the ledger may lie on another
			if err := c.ledger.Look(ctx); err != nil {
				c.failed(ctx, resultLook, "look at the store again, nothing is committed meanwhile", err)
				return false
			}
		}
	}
	if c.ledger != nil {
		if err := c.ledger.Note(ctx, recs[0].Topic, after(recs)); err != nil {
			c.failed(ctx, resultNote, "note again how far it is applied, nothing is committed meanwhile", err)
			return false
		}
	}
	if err := c.src.Commit(ctx, recs); err != nil {
		c.failed(ctx, resultCommit, "commit again", err)
		return false
	}
	c.metrics.commits.WithLabelValues("ok").Inc()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range recs {
		if c.pending[r.Partition].Offset == r.Offset {
			delete(c.pending, r.Partition)
		}
	}
	c.metrics.pending.Set(float64(len(c.pending)))
	return true
}

// look tells of a store that was restarted. What else is wrong with it the next write finds out. A rewind that is under way is waited for: its
// store is accepted then.
func (c *committer) look(ctx context.Context) {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	err := c.ledger.Look(ctx)
	if restarted := new(progress.RestartedError); errors.As(err, &restarted) && ctx.Err() == nil {
		c.tell(err)
	}
}

// after returns the positions that follow recs, one of each partition.
func after(recs []broker.Record) map[int]int64 {
	next := make(map[int]int64, len(recs))
	for _, r := range recs {
		next[r.Partition] = r.Offset + 1
	}
	return next
}

// onHopeless makes f hear of a store that was restarted, and of one that refuses for a reason that waiting does not cure: with nothing in
// hand the consumer would not notice.
func (c *committer) onHopeless(f func(error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hopeless = f
}

// store reports whether a commit that failed with result failed at the store that the consumer writes. A store that is awaited is asked
// there; what is otherwise synced is a disk, which an operator may mend.
func (c *committer) store(result string) bool {
	return result == resultNote || result == resultLook || result == resultSync && c.awaited
}

func (c *committer) failed(ctx context.Context, result, message string, err error) {
	if ctx.Err() != nil {
		return
	}
	if restarted := new(progress.RestartedError); errors.As(err, &restarted) || c.store(result) && !retry.Retryable(err) {
		c.tell(err)
	}
	c.metrics.commits.WithLabelValues(result).Inc()
	c.log.Warn(message, "error", err)
}

func (c *committer) tell(err error) {
	c.mu.Lock()
	tell := c.hopeless
	c.mu.Unlock()
	if tell != nil {
		tell(err)
	}
}

// sleep waits for d; false means that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
