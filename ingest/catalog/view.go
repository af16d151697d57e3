package catalog

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// View is a copy of the catalogue in memory that follows a Store. It is safe for concurrent use: a reader takes no lock
// and waits for nobody, and sees one version of the catalogue per call. An item with a title of 50 bytes, a category and
// two attributes takes about 700 bytes, most of it its attributes.
type View struct {
	store *Store
	log   *slog.Logger
	table atomic.Pointer[table]

	busy   chan struct{} // holds the one who syncs
	asked  atomic.Int64  // calls of Sync ever
	covers int64         // the last call that the last good sync began after; owned by the holder of busy
}

// ViewOption changes a View under construction.
type ViewOption func(*View)

// WithLogger says where a View reports stored items it cannot read, and Run a fault it waits out.
func WithLogger(log *slog.Logger) ViewOption {
	return func(v *View) {
		if log != nil {
			v.log = log
		}
	}
}

// NewView returns an empty View of store, at version 0. Sync fills it.
func NewView(store *Store, opts ...ViewOption) *View {
	v := &View{store: store, log: slog.New(slog.DiscardHandler), busy: make(chan struct{}, 1)}
	v.table.Store(emptyTable())
	for _, opt := range opts {
		opt(v)
	}
	return v
}

// Item returns a live item; its maps and slices are shared and read-only. It answers false for a withdrawn one.
func (v *View) Item(id string) (schema.Item, bool) {
	e := v.table.Load().get(id)
	if e == nil || e.withdrawn {
		return schema.Item{}, false
	}
	return e.item, true
}

// Withdrawn reports whether id was in the catalogue and is no more. It is false for an id the catalogue never had.
func (v *View) Withdrawn(id string) bool { return v.table.Load().withdrawn(id) }

// Hidden reports whether an interaction with id at a position of its topic does not count: the item is withdrawn, or was at that
// time and has come back since. It is false for an id the catalogue never had.
func (v *View) Hidden(id string, partition int, position int64) bool {
	return v.table.Load().hides(id, partition, position)
}

// Version is the version of the catalogue that the View holds at least.
func (v *View) Version() int64 { return v.table.Load().version }

// Len is the number of live items.
func (v *View) Len() int { return v.table.Load().live }

// Newest returns up to n ids of live items, newest first: by creation, then by last change.
func (v *View) Newest(n int) []string {
	t := v.table.Load()
	ids := make([]string, 0, max(0, min(n, t.live)))
	for e := range t.newest() {
		if len(ids) >= n {
			break
		}
		ids = append(ids, e.item.ID)
	}
	return ids
}

// All yields the live items of one version, newest first. They are shared and read-only.
func (v *View) All() iter.Seq[schema.Item] {
	t := v.table.Load()
	return func(yield func(schema.Item) bool) {
		for e := range t.newest() {
			if !yield(e.item) {
				return
			}
		}
	}
}

// Queue adds the reading of the catalogue's version to pipe. Call the returned function after pipe.Exec: behind says that
// the View is not at that version, and the caller should Sync before it answers.
func (v *View) Queue(ctx context.Context, pipe redis.Pipeliner) func() (behind bool, err error) {
	cmd := pipe.MGet(ctx, v.store.keys.ItemsVersion())
	return func() (bool, error) {
		version, err := readVersion(cmd)
		return err == nil && version != v.Version(), err
	}
}

// Run syncs now and then every so often until ctx is done, and returns nil. A fault is logged and tried again at the next
// turn; readers keep what they have.
func (v *View) Run(ctx context.Context, every time.Duration) error {
	if every <= 0 {
		return fmt.Errorf("catalog view: interval %s: want more than 0s", every)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := v.Sync(ctx); err != nil && ctx.Err() == nil {
			v.log.Warn("catalogue copy is behind", "version", v.Version(), "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sync fetches what changed since Version (everything, at first) and returns when the View holds every change applied
// before the call. Calls that meet share the work: one that waited is answered by a sync that began after it came.
func (v *View) Sync(ctx context.Context) error {
	ticket := v.asked.Add(1)
	select {
	case v.busy <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("sync catalogue: %w", ctx.Err())
	}
	defer func() { <-v.busy }()
	if v.covers >= ticket {
		return nil
	}
	begun := v.asked.Load()
	next, err := v.fetch(ctx)
	if err != nil {
		return fmt.Errorf("sync catalogue from version %d: %w", v.Version(), err)
	}
	v.table.Store(next)
	v.covers = begun
	return nil
}

// fetch returns the table at the store's version.
func (v *View) fetch(ctx context.Context) (*table, error) {
	target, err := v.store.Version(ctx)
	if err != nil {
		return nil, err
	}
	have := v.table.Load()
	if target == have.version {
		return have, nil
	}
	if target < have.version {
		have = emptyTable() // Redis was emptied: what we hold belongs to another life
	}
	changes := map[string]*entry{}
	// To the end of the log, not to target: an item that changes meanwhile moves there from a place not reached yet.
	for cursor, more := have.version, true; more; {
		page, err := v.store.changesAfter(ctx, cursor)
		if err != nil {
			return nil, err
		}
		v.collect(changes, page)
		if more = len(page) == pageSize; more {
			cursor = page[len(page)-1].version
		}
	}
	// Changes that came in meanwhile are in, but the version stays at target: the next sync looks at them again.
	return have.with(target, changes), nil
}

func (v *View) collect(into map[string]*entry, page []logged) {
	for _, l := range page {
		e, err := decodeStored(l.id, l.stored)
		if err != nil {
			v.log.Error("stored item is left out", "item", l.id, "err", err)
			continue
		}
		e.version = l.version
		into[l.id] = &e
	}
}

// logged is one item of the log, with what is stored for it.
type logged struct {
	id      string
	version int64
	stored  string
}

// pageSize is how many items one round trip fetches.
const pageSize = 1000

// changesAfter returns the next items whose last change is after version, in the order of their changes.
func (s *Store) changesAfter(ctx context.Context, version int64) ([]logged, error) {
	members, err := s.rdb.ZRangeByScoreWithScores(ctx, s.keys.ItemsLog(), &redis.ZRangeBy{
		Min: "(" + strconv.FormatInt(version, 10), Max: "+inf", Count: pageSize,
	}).Result()
	if err != nil || len(members) == 0 {
		return nil, err
	}
	page := make([]logged, len(members))
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i], _ = m.Member.(string)
		page[i] = logged{id: ids[i], version: int64(m.Score)}
	}
	values, err := s.rdb.HMGet(ctx, s.keys.Items(), ids...).Result()
	if err != nil {
		return nil, err
	}
	for i, value := range values {
		page[i].stored, _ = value.(string)
	}
	return page, nil
}
