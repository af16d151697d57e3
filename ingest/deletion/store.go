package deletion

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// Bounds of what is kept.
const (
	TTL = 90 * 24 * time.Hour // of a receipt
	Log = 1000                // users whose windows were emptied last, for caches to follow
)

// Store reads and writes receipts. It is safe for concurrent use.
type Store struct {
	rdb  redis.UniversalClient
	keys schema.Keys
}

// New returns the receipts under keys. It does not talk to Redis yet.
func New(rdb redis.UniversalClient, keys schema.Keys) (*Store, error) {
	if rdb == nil {
		return nil, errors.New("deletion: no redis client")
	}
	return &Store{rdb: rdb, keys: keys}, nil
}

// Fields of a receipt's hash; partField starts those of the parts.
const (
	userField      = "user"
	byField        = "by"
	requestedField = "requested"
	partField      = "part:"
)

// Open writes down that somebody wants a user forgotten. Opening it again changes nothing.
func (s *Store) Open(ctx context.Context, d schema.Deletion) error {
	if d.ID == "" || schema.CheckUserID(d.ID) != nil || schema.CheckUserID(d.UserID) != nil {
		return fmt.Errorf("open deletion %q of user %q: want an id and a user", d.ID, d.UserID)
	}
	key := s.keys.Deletion(d.ID)
	_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HSetNX(ctx, key, userField, d.UserID)
		p.HSetNX(ctx, key, byField, d.By)
		p.HSetNX(ctx, key, requestedField, stamp(d.Requested))
		p.Expire(ctx, key, TTL)
		p.Set(ctx, s.keys.UserDeletion(d.UserID), d.ID, TTL)
		return nil
	})
	if err != nil {
		return fmt.Errorf("open deletion %q: %w", d.ID, err)
	}
	return nil
}

// Confirm writes down when a part had nothing of the user any more. The first time counts. A receipt that has expired stays gone.
func (s *Store) Confirm(ctx context.Context, id, part string, at time.Time) error {
	key := s.keys.Deletion(id)
	there, err := s.rdb.HExists(ctx, key, userField).Result()
	if err == nil && there {
		err = s.rdb.HSetNX(ctx, key, partField+part, stamp(at)).Err()
	}
	if err != nil {
		return fmt.Errorf("confirm %s of deletion %q: %w", part, id, err)
	}
	return nil
}

// Emptied tells the processes that serve that a user's window was emptied, and whose receipt they are to confirm.
func (s *Store) Emptied(ctx context.Context, id, user string) error {
	_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.LPush(ctx, s.keys.DeletionLog(), id+"\n"+user)
		p.LTrim(ctx, s.keys.DeletionLog(), 0, Log-1)
		p.Incr(ctx, s.keys.DeletionCount())
		return nil
	})
	if err != nil {
		return fmt.Errorf("list deletion %q: %w", id, err)
	}
	return nil
}

// Since returns the windows that were emptied after the first seen ones, oldest first, and how many there were ever. missed
// says that there were more than the list holds.
func (s *Store) Since(ctx context.Context, seen int64) (emptied []schema.Deletion, count int64, missed bool, err error) {
	if count, err = s.rdb.Get(ctx, s.keys.DeletionCount()).Int64(); err != nil && !errors.Is(err, redis.Nil) {
		return nil, seen, false, fmt.Errorf("follow deletions: %w", err)
	}
	fresh := count - seen
	if fresh < 0 { // Redis lost them
		return nil, count, true, nil
	}
	if fresh == 0 {
		return nil, count, false, nil
	}
	lines, err := s.rdb.LRange(ctx, s.keys.DeletionLog(), 0, min(fresh, Log)-1).Result()
	if err != nil {
		return nil, seen, false, fmt.Errorf("follow deletions: %w", err)
	}
	for i := len(lines) - 1; i >= 0; i-- {
		id, user, _ := strings.Cut(lines[i], "\n")
		emptied = append(emptied, schema.Deletion{ID: id, UserID: user})
	}
	return emptied, count, fresh > Log, nil
}

// Get returns a receipt; false for one that nobody opened, or that has expired.
func (s *Store) Get(ctx context.Context, id string) (schema.Deletion, bool, error) {
	fields, err := s.rdb.HGetAll(ctx, s.keys.Deletion(id)).Result()
	if err != nil {
		return schema.Deletion{}, false, fmt.Errorf("read deletion %q: %w", id, err)
	}
	if fields[userField] == "" {
		return schema.Deletion{}, false, nil
	}
	d := schema.Deletion{ID: id, UserID: fields[userField], By: fields[byField], Parts: map[string]time.Time{}}
	if d.Requested, err = time.Parse(time.RFC3339Nano, fields[requestedField]); err != nil {
		return schema.Deletion{}, false, fmt.Errorf("read deletion %q: %w", id, err)
	}
	for name, value := range fields {
		if part, ok := strings.CutPrefix(name, partField); ok {
			if d.Parts[part], err = time.Parse(time.RFC3339Nano, value); err != nil {
				return schema.Deletion{}, false, fmt.Errorf("read deletion %q: %s: %w", id, part, err)
			}
		}
	}
	d.MarkComplete()
	return d, true, nil
}

// Latest returns the newest receipt of a user; false for none.
func (s *Store) Latest(ctx context.Context, user string) (schema.Deletion, bool, error) {
	id, err := s.rdb.Get(ctx, s.keys.UserDeletion(user)).Result()
	if errors.Is(err, redis.Nil) {
		return schema.Deletion{}, false, nil
	}
	if err != nil {
		return schema.Deletion{}, false, fmt.Errorf("read the deletion of user %q: %w", user, err)
	}
	return s.Get(ctx, id)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
