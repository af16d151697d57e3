package serving

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/snapshot"
)

// prefix keeps the bench's keys apart from others' in a Redis of one's own.
const prefix = "softrec-bench"

// ownPartition is where the bench's own writes say they come from, so that they hide no offset of the real topic.
const ownPartition = 1_000_000

// stock is what the bench writes to, as ingest and the trainer would.
type stock struct {
	rdb     redis.UniversalClient
	keys    schema.Keys
	windows *window.Store
	items   *catalog.Store
	models  *snapshot.Dir
	live    *snapshot.Registry
}

func openStock(addr, models string, connections int) (*stock, error) {
	s := &stock{keys: schema.NewKeys(prefix)}
	s.rdb = redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{addr}, PoolSize: connections + 4, ReadTimeout: time.Minute, WriteTimeout: time.Minute})
	var err error
	if s.windows, err = window.New(s.rdb, s.keys, window.DefaultRules()); err != nil {
		return nil, err
	}
	if s.items, err = catalog.New(s.rdb, s.keys); err != nil {
		return nil, err
	}
	if s.models, err = snapshot.OpenDir(models); err != nil {
		return nil, err
	}
	s.live = snapshot.NewRegistry(s.rdb, s.keys)
	return s, nil
}

// empty deletes what an earlier bench left in the Redis.
func (s *stock) empty(ctx context.Context) error {
	var cursor uint64
	for {
		names, next, err := s.rdb.Scan(ctx, cursor, prefix+":*", 5000).Result()
		if err == nil && len(names) > 0 {
			err = s.rdb.Del(ctx, names...).Err()
		}
		if err != nil {
			return fmt.Errorf("empty redis of the last bench: %w", err)
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// fill writes the catalogue and every user's window, as ingest would.
func (s *stock) fill(ctx context.Context, sh shop) error {
	const batch = 512
	for first := 0; first < sh.items; first += batch {
		var changes []catalog.Change
		for i := first; i < min(first+batch, sh.items); i++ {
			it := sh.item(i)
			changes = append(changes, catalog.Change{Offset: int64(i), ID: it.ID, Item: &it})
		}
		if _, err := s.items.Apply(ctx, changes); err != nil {
			return fmt.Errorf("fill the catalogue: %w", err)
		}
	}
	for first := 0; first < sh.users; first += batch {
		var users []window.UserBatch
		for u := first; u < min(first+batch, sh.users); u++ {
			b := window.UserBatch{User: userID(u), Partition: ownPartition}
			for _, in := range sh.window(u) {
				b.Records = append(b.Records, window.Record{Offset: in.Offset, Interaction: in})
			}
			users = append(users, b)
		}
		if _, err := s.windows.Apply(ctx, users); err != nil {
			return fmt.Errorf("fill the windows: %w", err)
		}
	}
	return nil
}

// store writes the model as a snapshot, without pointing at it.
func (s *stock) store(ctx context.Context, b *ranker.Bundle, round int, at time.Time) (version string, err error) {
	files, err := b.Encode()
	if err != nil {
		return "", err
	}
	m, err := s.models.Write(ctx, schema.Manifest{Round: round, Learner: "sequence", CreatedAt: at, Backend: "bench", Offsets: map[string]int64{}}, files)
	return m.Version, err
}
