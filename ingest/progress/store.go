package progress

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

//go:embed lives.lua
var livesSource string

// Store is the ledger in Redis. It is safe for concurrent use.
type Store struct {
	rdb    redis.UniversalClient
	keys   schema.Keys
	script *redis.Script
	older  []string // keys; one is there where the reader had applied anything before it kept places
	reader string   // whose places they are; "" for whoever has a topic to itself
}

// Option changes a Store under construction.
type Option func(*Store)

// WithOlder names keys of which one is there once the reader has written anything to the store. Where one is, and no place yet, the reader is
// from before there were places, and what its group has committed counts. They must be the reader's own: another one may be faster on a
// Redis that was emptied. Without it the store is taken for empty.
func WithOlder(keys ...string) Option { return func(s *Store) { s.older = keys } }

// WithReader keeps the places of a reader that shares topics with others: those of all its topics in one hash, so that one look decides for
// them together whether Redis was empty.
func WithReader(name string) Option { return func(s *Store) { s.reader = name } }

var (
	_ broker.Lives    = (*Store)(nil)
	_ broker.Progress = (*Store)(nil)
)

// New returns the ledger under keys. It does not talk to Redis yet.
func New(rdb redis.UniversalClient, keys schema.Keys, opts ...Option) (*Store, error) {
	if rdb == nil {
		return nil, errors.New("progress: no redis client")
	}
	s := &Store{rdb: rdb, keys: keys, script: redis.NewScript(livesSource)}
	for _, opt := range opts {
		opt(s)
	}
	return s, nil
}

// place says where the positions of a topic are: the key of their hash, and what its fields begin with.
func (s *Store) place(topic string) (key, prefix string) {
	if s.reader == "" {
		return s.keys.Applied(topic), ""
	}
	return s.keys.AppliedBy(s.reader), topic + "/"
}

// trustField of the applied positions says whether the group's commits count where a partition has no position. It is "1" where what is
// applied was there before positions were.
const trustField = "commits"

// Applied implements broker.Progress. The first call writes down whether Redis was empty then.
func (s *Store) Applied(ctx context.Context, topic string) (next map[int]int64, trusted bool, err error) {
	key, prefix := s.place(topic)
	fields, err := s.rdb.HGetAll(ctx, key).Result()
	if err == nil && fields[trustField] == "" {
		fields, err = s.open(ctx, key)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read how far %q is applied: %w", topic, err)
	}
	next = make(map[int]int64, len(fields))
	for name, value := range fields {
		partition, mine := strings.CutPrefix(name, prefix)
		if name == trustField || !mine {
			continue
		}
		p, perr := strconv.Atoi(partition)
		at, aerr := strconv.ParseInt(value, 10, 64)
		if perr != nil || aerr != nil || p < 0 || at < 0 {
			return nil, false, fmt.Errorf("read how far %q is applied: field %q is %q, not a partition's position", topic, name, value)
		}
		next[p] = at
	}
	return next, fields[trustField] == "1", nil
}

// open writes the trust field, unless somebody else is faster.
func (s *Store) open(ctx context.Context, key string) (map[string]string, error) {
	trust := "0"
	for _, older := range s.older { // each in a slot of its own
		n, err := s.rdb.Exists(ctx, older).Result()
		if err != nil {
			return nil, err
		}
		if n > 0 {
			trust = "1"
		}
	}
	if err := s.rdb.HSetNX(ctx, key, trustField, trust).Err(); err != nil {
		return nil, err
	}
	return s.rdb.HGetAll(ctx, key).Result()
}

// Note writes down the positions of the next records to apply, by partition. Everything before them must be applied and, in a cluster,
// safe.
func (s *Store) Note(ctx context.Context, topic string, next map[int]int64) error {
	if len(next) == 0 {
		return nil
	}
	key, prefix := s.place(topic)
	values := make([]any, 0, 2*len(next))
	for p, at := range next {
		values = append(values, prefix+strconv.Itoa(p), strconv.FormatInt(at, 10))
	}
	if err := s.rdb.HSet(ctx, key, values...).Err(); err != nil {
		return fmt.Errorf("note how far %q is applied: %w", topic, err)
	}
	return nil
}

// Look asks every master of Redis for a sign of life and writes nothing: a Fence in front of the client meets the processes that are new to
// it. Other errors than its *RestartedError may pass.
func (s *Store) Look(ctx context.Context) error {
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		return looked(s.rdb.Ping(ctx).Err())
	}
	var mu sync.Mutex
	var all []error
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		err := node.Ping(ctx).Err()
		mu.Lock()
		defer mu.Unlock()
		all = append(all, err)
		return nil // the others are asked too
	})
	return looked(errors.Join(append(all, err)...))
}

func looked(err error) error {
	if err != nil {
		return fmt.Errorf("look whether Redis is there: %w", err)
	}
	return nil
}

// Lives implements broker.Lives.
func (s *Store) Lives(ctx context.Context, topic string) (map[int][]broker.Life, error) {
	fields, err := s.rdb.HGetAll(ctx, s.keys.Lives(topic)).Result()
	if err != nil {
		return nil, fmt.Errorf("read the lives of %q: %w", topic, err)
	}
	all := make(map[int][]broker.Life, len(fields))
	for name, value := range fields {
		p, err := strconv.Atoi(name)
		var lives []broker.Life
		if err == nil {
			err = json.Unmarshal([]byte(value), &lives)
		}
		if err != nil {
			return nil, fmt.Errorf("read the lives of %q: partition %q: %w", topic, name, err)
		}
		all[p] = lives
	}
	return all, nil
}

// Begin implements broker.Lives.
func (s *Store) Begin(ctx context.Context, topic string, partition int, known, next []broker.Life) (bool, error) {
	before, after := "", ""
	for _, v := range []struct {
		lives []broker.Life
		text  *string
	}{{known, &before}, {next, &after}} {
		if len(v.lives) == 0 {
			continue
		}
		doc, err := json.Marshal(v.lives)
		if err != nil {
			return false, fmt.Errorf("begin a life of %q: %w", topic, err)
		}
		*v.text = string(doc)
	}
	done, err := s.script.Run(ctx, s.rdb, []string{s.keys.Lives(topic)}, partition, before, after).Int()
	if err != nil {
		return false, fmt.Errorf("begin a life of partition %d of %q: %w", partition, topic, err)
	}
	return done == 1, nil
}
