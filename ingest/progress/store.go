package progress

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

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
}

var (
	_ broker.Lives    = (*Store)(nil)
	_ broker.Progress = (*Store)(nil)
)

// New returns the ledger under keys. It does not talk to Redis yet.
func New(rdb redis.UniversalClient, keys schema.Keys) (*Store, error) {
	if rdb == nil {
		return nil, errors.New("progress: no redis client")
	}
	return &Store{rdb: rdb, keys: keys, script: redis.NewScript(livesSource)}, nil
}

// trustField of the applied positions says whether the group's commits count where a partition has no position. It is "1" where windows
// were there before positions were.
const trustField = "commits"

// Applied implements broker.Progress. The first call for a topic writes down whether Redis was empty then.
func (s *Store) Applied(ctx context.Context, topic string) (next map[int]int64, trusted bool, err error) {
	key := s.keys.Applied(topic)
	fields, err := s.rdb.HGetAll(ctx, key).Result()
	if err == nil && fields[trustField] == "" {
		fields, err = s.open(ctx, key)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read how far %q is applied: %w", topic, err)
	}
	next = make(map[int]int64, len(fields))
	for name, value := range fields {
		if name == trustField {
			continue
		}
		p, perr := strconv.Atoi(name)
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
	for _, older := range []string{s.keys.Names(), s.keys.ItemsVersion()} { // each in a slot of its own
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
	values := make([]any, 0, 2*len(next))
	for p, at := range next {
		values = append(values, strconv.Itoa(p), strconv.FormatInt(at, 10))
	}
	if err := s.rdb.HSet(ctx, s.keys.Applied(topic), values...).Err(); err != nil {
		return fmt.Errorf("note how far %q is applied: %w", topic, err)
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
