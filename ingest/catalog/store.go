package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/replicas"
	"github.com/softrec/softrec/schema"
)

// Change is one record of the items topic.
type Change struct {
	Partition int
	Offset    int64
	ID        string
	Item      *schema.Item // nil = withdrawn

	since map[int]int64 // of a stored item: see Store.since
}

// changesPerCall bounds how long one script call keeps Redis from answering others (about 1 ms).
const changesPerCall = 256

// maxOffset is the last offset the script can tell from its neighbours: Lua counts in float64.
const maxOffset = 1 << 53

// Store is the catalogue in Redis, version 6.2 or later, cluster included. It is safe for concurrent use.
type Store struct {
	rdb    redis.UniversalClient
	writer *replicas.Writer
	keys   schema.Keys
	script *redis.Script
	ends   Ends // nil: an item that comes back has its old interactions back
}

// Ends says where the topic of the interactions ends: the position of the next record, by partition.
type Ends func(ctx context.Context) (map[int]int64, error)

// Option changes a Store under construction.
type Option func(*options)

type options struct {
	safe replicas.Policy
	ends Ends
}

// WithReturns makes an item that is put again after its withdrawal count anew: interactions before where e says that their topic
// ends are hidden from then on (View.Hidden).
func WithReturns(e Ends) Option { return func(o *options) { o.ends = e } }

// WithReplicas makes Apply return only when as many replicas as p says have what it wrote, so that no failover takes it back.
func WithReplicas(p replicas.Policy) Option { return func(o *options) { o.safe = p } }

// New returns the catalogue under keys. It does not talk to Redis yet.
func New(rdb redis.UniversalClient, keys schema.Keys, opts ...Option) (*Store, error) {
	if rdb == nil {
		return nil, errors.New("catalog: no redis client")
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	return &Store{rdb: rdb, writer: replicas.New(rdb, o.safe), keys: keys, script: newScript(), ends: o.ends}, nil
}

// CorruptError says that a stored item is not what the script writes.
type CorruptError struct {
	ID  string // of the item
	Err error  // what is wrong
}

// Error reads `stored item "a": ...`.
func (e *CorruptError) Error() string { return fmt.Sprintf("stored item %q: %v", e.ID, e.Err) }

// Unwrap returns what is wrong.
func (e *CorruptError) Unwrap() error { return e.Err }

// Apply applies changes in order and returns how many were new; the others had been applied before. On an error any
// first part may have been applied (and is counted); the caller may send all of them again.
func (s *Store) Apply(ctx context.Context, changes []Change) (applied int, err error) {
	for part := range Distinct(changes) {
		if part, err = s.since(ctx, part); err != nil {
			return applied, fmt.Errorf("change %d items from %q on: %w", len(part), part[0].ID, err)
		}
		args := make([]any, 0, valuesPerChange*len(part))
		for _, c := range part {
			doc, err := encodeChange(c)
			if err != nil {
				return applied, fmt.Errorf("change item %q: %w", c.ID, err)
			}
			args = append(args, c.ID, c.Partition, strconv.FormatInt(c.Offset, 10), doc)
		}
		reply, err := s.run(ctx, args)
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			if err = s.writer.Load(ctx, s.script); err == nil {
				reply, err = s.run(ctx, args)
			}
		}
		if err == nil && len(reply) != 2 {
			err = fmt.Errorf("script answered %d numbers, want 2", len(reply))
		}
		if err != nil {
			return applied, fmt.Errorf("change %d items from %q on: %w", len(part), part[0].ID, err)
		}
		applied += int(reply[0])
	}
	return applied, nil
}

// run is one call of the script. What it finds done before is waited for as what it does.
func (s *Store) run(ctx context.Context, args []any) ([]int64, error) {
	keys := []string{s.keys.Items(), s.keys.ItemsLog(), s.keys.ItemsVersion()}
	var cmd *redis.Cmd
	fault := s.writer.Exec(ctx, keys[:1], func(pipe redis.Pipeliner, _ int) {
		cmd = pipe.EvalSha(ctx, s.script.Hash(), keys, args...)
		s.writer.Barrier(ctx, pipe, s.keys.ItemsSync())
	})[0]
	if cmd == nil || fault != nil && cmd.Err() == nil {
		return nil, fault
	}
	return cmd.Int64Slice()
}

func encodeChange(c Change) ([]byte, error) {
	if err := schema.CheckItemID(c.ID); err != nil {
		return nil, err
	}
	if c.Partition < 0 || c.Offset < 0 || c.Offset > maxOffset {
		return nil, fmt.Errorf("place %d:%d: want a partition of at least 0 and an offset of 0 to %d", c.Partition, c.Offset, int64(maxOffset))
	}
	if c.Item == nil {
		return nil, nil
	}
	if c.Item.ID != c.ID {
		return nil, fmt.Errorf("id %q: differs from the change's", c.Item.ID)
	}
	if err := c.Item.Validate(); err != nil {
		return nil, err
	}
	doc, err := json.Marshal(c.Item)
	if err != nil || len(c.since) == 0 {
		return doc, err
	}
	since, err := json.Marshal(c.since)
	return append(append(doc, '\n'), since...), err
}

// Get reads one item as it is now. A withdrawn item is found, withdrawn, and has nothing but its id.
func (s *Store) Get(ctx context.Context, id string) (it schema.Item, withdrawn, found bool, err error) {
	stored, err := s.rdb.HGet(ctx, s.keys.Items(), id).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return schema.Item{}, false, false, nil
	case err != nil:
		return schema.Item{}, false, false, fmt.Errorf("read item %q: %w", id, err)
	}
	e, err := decodeStored(id, stored)
	return e.item, e.withdrawn, err == nil, err
}

// Changed returns the version of the catalogue that the newest change of an item made, 0 when it has had none. A change
// that leaves an item as it was moves it too.
func (s *Store) Changed(ctx context.Context, id string) (int64, error) {
	version, err := s.rdb.ZScore(ctx, s.keys.ItemsLog(), id).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("read when item %q changed: %w", id, err)
	}
	return int64(version), nil
}

// Version counts the changes ever applied; 0 before the first.
func (s *Store) Version(ctx context.Context) (int64, error) {
	return readVersion(s.rdb.MGet(ctx, s.keys.ItemsVersion()))
}

// readVersion takes MGET, since an absent key is no error there: GET would make the whole pipeline it stands in fail
// with redis.Nil.
func readVersion(cmd *redis.SliceCmd) (int64, error) {
	values, err := cmd.Result()
	if err != nil {
		return 0, fmt.Errorf("read catalogue version: %w", err)
	}
	text, ok := values[0].(string)
	if !ok {
		return 0, nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read catalogue version: %w", err)
	}
	return v, nil
}

// decodeStored reads what the script and encodeChange made: the places, a line end, the item as JSON, and for one that was
// withdrawn before another line end and since when its interactions count.
func decodeStored(id, stored string) (entry, error) {
	_, doc, ok := strings.Cut(stored, "\n")
	if !ok {
		return entry{}, &CorruptError{id, errors.New("has no line end after its offsets")}
	}
	if doc == "" {
		return entry{item: schema.Item{ID: id}, withdrawn: true}, nil
	}
	doc, since, returned := strings.Cut(doc, "\n")
	it, err := schema.DecodeItem(id, []byte(doc))
	if err != nil {
		return entry{}, &CorruptError{id, err}
	}
	e := entry{item: it}
	if returned {
		if err := json.Unmarshal([]byte(since), &e.since); err != nil {
			return entry{}, &CorruptError{id, fmt.Errorf("since when it counts: %w", err)}
		}
	}
	return e, nil
}
