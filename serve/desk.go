package serve

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// desk hands histories to the language model and keeps its readings. Requests ask; one worker reads. What waits is bounded,
// holds at most one history per user, the newest, and is taken newest first: a user who has clicked on has no use for
// the reading of the window before.
type desk struct {
	texts  Texts
	budget time.Duration // longest wait of a request
	limit  int           // histories that may wait
	batch  int           // histories read together

	readings *lru.Cache[textKey, kept]
	dropped  atomic.Int64
	failures atomic.Int64

	mu      sync.Mutex
	waiting []*job          // oldest first
	byUser  map[string]*job // those that wait
	running map[textKey]*job
	gone    map[string]struct{} // items withdrawn while something is running
	paces   []time.Duration     // of the last batches, oldest first
	wake    chan struct{}       // holds a token when something waits
}

// kept is a reading with what is needed to find those that have something of an item.
type kept struct {
	reading ranker.Reading
	items   []uint32 // of the history, see markOf
	among   int64    // see Texts.Among
}

// markOf stands for an item in 4 bytes. Two items that share one cost a reading too many now and then, when one of them goes.
func markOf(item string) uint32 { return uint32(xxhash.Sum64String(item)) }

// of reports whether a reading was made of a history with one of the items that are gone, or names one.
func (k kept) of(marks map[uint32]struct{}, gone func(item string) bool) bool {
	if slices.ContainsFunc(k.items, func(m uint32) bool { _, is := marks[m]; return is }) {
		return true
	}
	return mentions(k.reading, gone)
}

// mentions reports whether a reading names one of the items that are gone.
func mentions(reading ranker.Reading, gone func(item string) bool) bool {
	n, ok := reading.(ranker.Naming)
	return ok && n.Names(gone)
}

// job is one history to read. Requests for the same key share it.
type job struct {
	key     textKey
	live    *Live
	history []schema.Interaction
	done    chan struct{} // closed when it was read, given up or overtaken
	void    bool          // its user was forgotten while it was read
	failed  atomic.Bool   // the model could not read it
}

// has reports whether the history holds one of the items that are gone.
func (j *job) has(gone func(item string) bool) bool {
	return slices.ContainsFunc(j.history, func(in schema.Interaction) bool { return gone(in.ItemID) })
}

// How an answer came to its text part, the values of a metric's label.
const (
	textCached  = "cached"  // the reading was there
	textOlder   = "older"   // so was it, but other titles have come since it was made
	textRead    = "read"    // it was made within the budget
	textLate    = "late"    // it was not
	textNothing = "nothing" // there is nothing to say about the history
	textFailed  = "failed"  // the model could not read it
)

func newDesk(texts Texts, cfg Config) (*desk, error) {
	readings, err := lru.New[textKey, kept](cfg.TextReadings)
	if err != nil {
		return nil, fmt.Errorf("make the cache of text readings: %w", err)
	}
	return &desk{
		texts: texts, budget: cfg.AnswerBudget, limit: cfg.TextQueue, batch: cfg.TextBatch, readings: readings,
		byUser: map[string]*job{}, running: map[textKey]*job{}, gone: map[string]struct{}{}, wake: make(chan struct{}, 1),
	}, nil
}

// ask returns the reading under key, waiting for it no longer than within and the budget. A wait that cannot succeed at the pace
// of the last batches is not begun; the history is read all the same, for the next request. A reading that was made among other titles
// than there are now is right as far as it goes: nobody waits for the newer one.
func (d *desk) ask(ctx context.Context, key textKey, live *Live, history []schema.Interaction, within time.Duration) (ranker.Reading, schema.TextState, string) {
	within = min(within, d.budget)
	if k, ok := d.readings.Get(key); ok {
		if k.among == d.texts.Among() {
			return found(k.reading, textCached)
		}
		d.enqueue(key, live, history, 0)
		return found(k.reading, textOlder)
	}
	j, worth := d.enqueue(key, live, history, within)
	if worth {
		timer := time.NewTimer(within)
		defer timer.Stop()
		select {
		case <-j.done:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if k, ok := d.readings.Get(key); ok {
		return found(k.reading, textRead)
	}
	if j.failed.Load() {
		return nil, schema.TextNone, textFailed
	}
	return nil, schema.TextPending, textLate
}

func found(r ranker.Reading, how string) (ranker.Reading, schema.TextState, string) {
	if r == nil {
		return nil, schema.TextNone, textNothing
	}
	return r, schema.TextReady, how
}

// enqueue adds a history, or finds the job that reads it already, and says whether waiting for it is worth while.
func (d *desk) enqueue(key textKey, live *Live, history []schema.Interaction, within time.Duration) (j *job, worth bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if j, ok := d.running[key]; ok {
		return j, d.pace() <= within
	}
	if old, ok := d.byUser[key.user]; ok {
		switch {
		case old.key == key:
			return old, d.worth(within)
		case old.key.window > key.window && old.key.under == key.under: // this request has read the window before its user clicked on
			return old, false
		}
		d.remove(old) // the user has clicked on, or a title has come
	}
	j = &job{key: key, live: live, history: history, done: make(chan struct{})}
	d.waiting = append(d.waiting, j)
	d.byUser[key.user] = j
	if len(d.waiting) > d.limit {
		d.remove(d.waiting[0])
		d.dropped.Add(1)
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return j, d.worth(within)
}

// worth reports whether the newest job will be read within that time: after the batch that runs, in the next one.
func (d *desk) worth(within time.Duration) bool {
	expected := d.pace()
	if len(d.running) > 0 {
		expected += expected / 2
	}
	return expected <= within
}

// paceOf is how many batches the pace is the median of: a slow one among fast ones changes nothing, and after a slow spell three
// fast ones are enough.
const paceOf = 5

// pace is the time that one batch takes, 0 before the first.
func (d *desk) pace() time.Duration {
	if len(d.paces) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d.paces))
	return sorted[len(sorted)/2]
}

// remove takes a job that waits off the desk and lets those who wait for it go.
func (d *desk) remove(j *job) {
	d.waiting = slices.DeleteFunc(d.waiting, func(w *job) bool { return w == j })
	delete(d.byUser, j.key.user)
	close(j.done)
}

// forget drops every reading of some users, what waits to be read and what is being read now. Sessions belong to everybody.
func (d *desk) forget(who crowd) {
	d.mu.Lock()
	for _, j := range slices.Clone(d.waiting) {
		if who.has(j.key.user) {
			d.remove(j)
		}
	}
	for _, j := range d.running {
		j.void = j.void || who.has(j.key.user)
	}
	d.mu.Unlock()
	for _, k := range d.readings.Keys() {
		if who.has(k.user) {
			d.readings.Remove(k)
		}
	}
}

// forgetItems drops every reading that has something of one of the items, also of what is being read now, and what waits to be read
// of a history with one.
func (d *desk) forgetItems(items []string) {
	if len(items) == 0 {
		return
	}
	ids, marks := make(map[string]struct{}, len(items)), make(map[uint32]struct{}, len(items))
	for _, item := range items {
		ids[item], marks[markOf(item)] = struct{}{}, struct{}{}
	}
	gone := func(item string) bool { _, is := ids[item]; return is }
	d.mu.Lock()
	for _, j := range slices.Clone(d.waiting) {
		if j.has(gone) {
			d.remove(j)
		}
	}
	if len(d.running) > 0 {
		maps.Copy(d.gone, ids)
	}
	d.mu.Unlock()
	for _, key := range d.readings.Keys() {
		if k, ok := d.readings.Peek(key); ok && k.of(marks, gone) {
			d.readings.Remove(key)
		}
	}
}

// marks are those of the items in the history, each once.
func (j *job) marks() []uint32 {
	all := make([]uint32, len(j.history))
	for i, in := range j.history {
		all[i] = markOf(in.ItemID)
	}
	slices.Sort(all)
	return slices.Clip(slices.Compact(all))
}

// next waits for histories and takes the newest ones that are read alike. It returns none once ctx is done.
func (d *desk) next(ctx context.Context) []*job {
	for {
		if batch := d.take(); len(batch) > 0 {
			return batch
		}
		select {
		case <-d.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *desk) take() []*job {
	d.mu.Lock()
	defer d.mu.Unlock()
	var batch []*job
	for i := len(d.waiting) - 1; i >= 0 && len(batch) < d.batch; i-- {
		j := d.waiting[i]
		if len(batch) > 0 && j.key.under != batch[0].key.under {
			break
		}
		batch = append(batch, j)
	}
	d.waiting = d.waiting[:len(d.waiting)-len(batch)]
	for _, j := range batch {
		delete(d.byUser, j.key.user)
		d.running[j.key] = j
	}
	return batch
}

// read reads one batch and keeps the readings.
func (d *desk) read(ctx context.Context, batch []*job) (time.Duration, error) {
	histories := make([][]schema.Interaction, len(batch))
	for i, j := range batch {
		histories[i] = j.history
	}
	among := d.texts.Among() // before: a reading may know more than this says, never less
	start := time.Now()
	readings, err := d.protected(ctx, batch[0].live, histories)
	took := time.Since(start)
	if err != nil {
		d.failures.Add(1)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	gone := func(item string) bool { _, is := d.gone[item]; return is }
	d.paces = append(d.paces[max(0, len(d.paces)+1-paceOf):], took)
	for i, j := range batch {
		if err == nil && !j.void && !j.has(gone) && !mentions(readings[i], gone) {
			d.readings.Add(j.key, kept{readings[i], j.marks(), among})
		}
		j.failed.Store(err != nil && ctx.Err() == nil)
		delete(d.running, j.key)
		close(j.done)
	}
	if len(d.running) == 0 {
		clear(d.gone)
	}
	return took, err
}

// protected turns a panic of the model into an error: a reading that fails must not end the server.
func (d *desk) protected(ctx context.Context, live *Live, histories [][]schema.Interaction) (out []ranker.Reading, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("read histories: panic: %v", p)
		}
	}()
	out, err = d.texts.Read(ctx, live, histories)
	if err == nil && len(out) != len(histories) {
		err = fmt.Errorf("read histories: %d readings of %d histories", len(out), len(histories))
	}
	return out, err
}

// queued is how many histories wait.
func (d *desk) queued() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting)
}
