package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// fakeRanker scores items by a hash of the item and the newest interaction, so that a list depends on the window.
type fakeRanker struct {
	Salt  string   `json:"salt"`
	Vocab []string `json:"vocab"`
	delay func()
}

var _ Ranker = (*fakeRanker)(nil)

func (f *fakeRanker) score(item, context string) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(f.Salt + "\x00" + item + "\x00" + context))
	return float64(h.Sum64()%1_000_003) / 1_000_003
}

func (f *fakeRanker) list(n int, context string, src schema.Source, allow func(string) bool) []ranker.Scored {
	var all []ranker.Scored
	for i, id := range f.Vocab {
		if allow == nil || allow(id) {
			sc := f.score(id, context)
			all = append(all, ranker.Scored{Item: id, Index: int32(i + 1), Score: sc, Source: src, Parts: map[string]float64{"model": sc}})
		}
	}
	slices.SortFunc(all, func(a, b ranker.Scored) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Item, b.Item))
	})
	return all[:min(n, len(all))]
}

func (f *fakeRanker) Rank(req ranker.Request) []ranker.Scored {
	if f.delay != nil {
		f.delay()
	}
	seen, last := map[string]bool{}, ""
	for _, in := range req.History {
		seen[in.ItemID], last = true, in.ItemID
	}
	return f.list(req.N, last, schema.SourceModel, func(id string) bool {
		return (!req.ExcludeHistory || !seen[id]) && (req.Allow == nil || req.Allow(id))
	})
}

func (f *fakeRanker) Similar(item string, n int, allow func(string) bool) []ranker.Scored {
	if !slices.Contains(f.Vocab, item) {
		return nil
	}
	return f.list(n, item, schema.SourceSimilar, allow)
}

func (f *fakeRanker) Popular(_ time.Time, n int, allow func(string) bool) []ranker.Scored {
	return f.list(n, "", schema.SourcePopular, allow)
}

func decodeFake(_ context.Context, files map[string][]byte) (Ranker, error) {
	f := &fakeRanker{}
	b, ok := files["model.json"]
	if !ok {
		return nil, errors.New("no model.json")
	}
	if string(b) == "panic" {
		panic("bad tensor")
	}
	return f, json.Unmarshal(b, f)
}

// fakeModels is a registry and a store of snapshots.
type fakeModels struct {
	mu      sync.Mutex
	current string
	history []string
	files   map[string]map[string][]byte
	err     error
	reads   int
}

func (f *fakeModels) publish(version string, r *fakeRanker) {
	b, _ := json.Marshal(r)
	f.publishRaw(version, map[string][]byte{"model.json": b})
}

func (f *fakeModels) publishRaw(version string, files map[string][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.files == nil {
		f.files = map[string]map[string][]byte{}
	}
	f.files[version] = files
	f.current = version
	f.history = append([]string{version}, f.history...)
}

func (f *fakeModels) Current(context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current, f.err
}

func (f *fakeModels) History(context.Context) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.history), f.err
}

func (f *fakeModels) Retreat(_ context.Context, from, version string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil && f.current == from {
		f.current = version
		f.history = f.history[slices.Index(f.history, version):]
	}
	return f.current, f.err
}

func (f *fakeModels) manifest(version string) schema.Manifest {
	round, _ := strconv.Atoi(version[1:])
	return schema.Manifest{Schema: 1, Version: version, Round: round, Learner: "sequence", CreatedAt: testStart.Add(time.Duration(round) * time.Minute),
		Backend: "go", Offsets: map[string]int64{"0": 1}, Metrics: map[string]float64{"hr10": 0.25}, Files: []schema.File{}}
}

func (f *fakeModels) Read(_ context.Context, version string) (schema.Manifest, map[string][]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	files, ok := f.files[version]
	if !ok {
		return schema.Manifest{}, nil, fmt.Errorf("no snapshot %q", version)
	}
	return f.manifest(version), maps.Clone(files), nil
}

func (f *fakeModels) List(context.Context) ([]schema.Manifest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []schema.Manifest
	for _, v := range slices.Sorted(maps.Keys(f.files)) {
		all = append(all, f.manifest(v))
	}
	return all, nil
}

// bus stands for Kafka and ingest: it applies what is published to the windows and the catalogue, at once or later.
type bus struct {
	windows *window.Store
	items   *shelf
	gone    *deletion.Store

	mu       sync.Mutex
	offset   int64
	held     []func() error // what was published while hold is set
	hold     bool
	fail     atomic.Bool
	events   atomic.Int64
	forgets  atomic.Int64
	writes   atomic.Int64
	lastSeen []schema.Event
}

func (b *bus) do(apply func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail.Load() {
		return errors.New("no broker answers")
	}
	if b.hold {
		b.held = append(b.held, apply)
		return nil
	}
	return apply()
}

// release applies what was held back.
func (b *bus) release() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hold = false
	for _, apply := range b.held {
		if err := apply(); err != nil {
			return err
		}
	}
	b.held = nil
	return nil
}

func (b *bus) apply(ctx context.Context, user string, rec window.Record) error {
	rec.Offset = b.offset
	b.offset++
	_, err := b.windows.Apply(ctx, []window.UserBatch{{User: user, Partition: 0, Records: []window.Record{rec}}})
	return err
}

func (b *bus) Publish(_ context.Context, events []schema.Event) error {
	return b.do(func() error {
		b.lastSeen = events
		for _, e := range events {
			b.events.Add(1)
			in := schema.Interaction{ItemID: e.ItemID, Type: e.Type, Timestamp: e.Timestamp, Value: e.Value, EventID: e.EventID, SessionID: e.SessionID}
			if err := b.apply(context.Background(), e.UserID, window.Record{Interaction: in}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bus) Forget(ctx context.Context, user, id string) error {
	return b.do(func() error {
		b.forgets.Add(1)
		ctx := context.WithoutCancel(ctx)
		err := b.apply(ctx, user, window.Record{Forget: true})
		return errors.Join(err, b.gone.Open(ctx, schema.Deletion{ID: id, UserID: user, By: schema.DeletionByAPI, Requested: testStart}),
			b.gone.Confirm(ctx, id, schema.PartWindow, testStart), b.gone.Emptied(ctx, id, user))
	})
}

func (b *bus) Put(_ context.Context, it schema.Item) error {
	return b.do(func() error { b.writes.Add(1); return b.items.apply(it.ID, &it) })
}

func (b *bus) Withdraw(_ context.Context, item, id string) error {
	return b.do(func() error {
		b.writes.Add(1)
		err := b.items.apply(item, nil)
		if id == "" {
			return err
		}
		ctx := context.Background()
		return errors.Join(err, b.gone.Open(ctx, schema.Deletion{ID: id, ItemID: item, By: schema.DeletionByAPI, Requested: testStart}),
			b.gone.Confirm(ctx, id, schema.PartCatalogue, testStart), b.gone.Withdrawn(ctx, id, item))
	})
}

// shelf writes to the catalogue as ingest does.
type shelf struct {
	*catalog.Store // the server's
	writer         *catalog.Store
	mu             sync.Mutex
	offset         int64
}

func (s *shelf) apply(id string, it *schema.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset++
	_, err := s.writer.Apply(context.Background(), []catalog.Change{{Offset: s.offset, ID: id, Item: it}})
	return err
}
