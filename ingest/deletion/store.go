package deletion

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/roundtrip"
	"github.com/softrec/softrec/schema"
)

// Bounds of what is kept.
const (
	TTL = 90 * 24 * time.Hour // of a receipt, and of the list of users whose windows were emptied after its last line

	// Log is how many of the users whose windows were emptied last are listed, for caches to follow: about 100 bytes each. A range of users may
	// go at once, and a line that nobody has seen before it is pushed out leaves a receipt open for ever.
	Log = 100_000

	// ItemLog is how many of the items withdrawn last are listed, for caches and the trainer to follow: a feed may take out a whole range.
	ItemLog = 100_000
)

// Store reads and writes receipts. It is safe for concurrent use.
type Store struct {
	rdb    redis.UniversalClient
	keys   schema.Keys
	newest *redis.Script
	awaits []string
}

// Option changes a Store under construction.
type Option func(*Store)

// Expired reports whether a deletion is so old that its receipt has expired: nobody opens it again, though its tombstone is still read by who
// starts from the beginning of the topic. One without a time is not.
func Expired(d schema.Deletion, now time.Time) bool {
	return d.Requested.UnixMilli() > 0 && now.Sub(d.Requested) >= TTL
}

// WithAwaited makes the receipts of users that are opened wait for parts besides the usual ones.
func WithAwaited(parts ...string) Option { return func(s *Store) { s.awaits = parts } }

// New returns the receipts under keys. It does not talk to Redis yet.
func New(rdb redis.UniversalClient, keys schema.Keys, opts ...Option) (*Store, error) {
	if rdb == nil {
		return nil, errors.New("deletion: no redis client")
	}
	s := &Store{rdb: rdb, keys: keys, newest: redis.NewScript(newestSource)}
	for _, opt := range opts {
		opt(s)
	}
	return s, nil
}

// Fields of a receipt's hash; partField starts those of the parts.
const (
	userField      = "user" // one of these two is set
	itemField      = "item"
	byField        = "by"
	requestedField = "requested"
	awaitsField    = "awaits" // parts, with spaces between them
	partField      = "part:"
)

// Confirm writes down when a part had nothing of the user or the item any more. The first time counts. A receipt that has expired
// stays gone.
func (s *Store) Confirm(ctx context.Context, id, part string, at time.Time) error {
	if err := s.confirmSome(ctx, []string{id}, stamp(at), []string{requestedField, partField + part}); err != nil {
		return fmt.Errorf("confirm %s of deletion %q: %w", part, id, err)
	}
	return nil
}

// receiptsPerCall bounds how many receipts one call writes.
const receiptsPerCall = 500

// ConfirmAll is Confirm for many receipts and several parts, in two calls for each few hundred receipts; what was confirmed before is not
// written again. done receipts, from the first on, are confirmed even after an error.
func (s *Store) ConfirmAll(ctx context.Context, ids []string, at time.Time, parts ...string) (done int, err error) {
	fields := []string{requestedField}
	for _, part := range parts {
		fields = append(fields, partField+part)
	}
	for some := range slices.Chunk(ids, receiptsPerCall) {
		if err := s.confirmSome(ctx, some, stamp(at), fields); err != nil {
			return done, fmt.Errorf("confirm %v of %d deletions: %w", parts, len(ids), err)
		}
		done += len(some)
	}
	return done, nil
}

// confirmSome sets all but the first of fields in those receipts that have the first.
func (s *Store) confirmSome(ctx context.Context, ids []string, at string, fields []string) error {
	have := make([]*redis.SliceCmd, len(ids))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			have[i] = p.HMGet(ctx, s.keys.Deletion(id), fields...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			values := have[i].Val()
			for k, field := range fields {
				if values[0] != nil && values[k] == nil {
					p.HSetNX(ctx, s.keys.Deletion(id), field, at)
				}
			}
		}
		return nil
	})
	return err
}

// Emptied tells the processes that serve that a user's window was emptied, and whose receipt they are to confirm.
func (s *Store) Emptied(ctx context.Context, id, user string) error {
	return s.EmptiedAll(ctx, []schema.Deletion{{ID: id, UserID: user}})
}

// EmptiedAll is Emptied for many users, oldest first, in one call. Afterwards the oldest lines are looked at, and go with their receipts: the
// list names no user for longer than these do.
func (s *Store) EmptiedAll(ctx context.Context, all []schema.Deletion) error {
	lines := make([]string, len(all))
	for i, d := range all {
		lines[i] = line(d.ID, d.UserID)
	}
	oldest, err := s.users().add(ctx, lines)
	if err == nil {
		err = s.prune(ctx, oldest)
	}
	if err != nil {
		return fmt.Errorf("list %d deletions: %w", len(all), err)
	}
	return nil
}

// prune takes lines off the list of emptied windows whose receipts have expired.
func (s *Store) prune(ctx context.Context, lines []string) error {
	there := make([]*redis.IntCmd, len(lines))
	pipe := s.rdb.Pipeline()
	for i, l := range lines {
		id, _ := cutLine(l)
		there[i] = pipe.Exists(ctx, s.keys.Deletion(id))
	}
	if err := roundtrip.Exec(ctx, pipe); err != nil {
		return err
	}
	pipe = s.rdb.Pipeline()
	for i, l := range lines {
		if there[i].Val() == 0 {
			pipe.LRem(ctx, s.users().list, -1, l) // from the oldest on
		}
	}
	return roundtrip.Exec(ctx, pipe)
}

// Withdrawn tells the processes that serve, and the trainer, that an item was withdrawn, and whose receipt they are to confirm.
func (s *Store) Withdrawn(ctx context.Context, id, item string) error {
	return s.WithdrawnAll(ctx, []schema.Deletion{{ID: id, ItemID: item}})
}

// WithdrawnAll is Withdrawn for many items, oldest first, in one call.
func (s *Store) WithdrawnAll(ctx context.Context, all []schema.Deletion) error {
	lines := make([]string, len(all))
	for i, d := range all {
		lines[i] = line(d.ID, d.ItemID)
	}
	if _, err := s.items().add(ctx, lines); err != nil {
		return fmt.Errorf("list %d withdrawals: %w", len(all), err)
	}
	return nil
}

// Counts returns how many windows were emptied and how many items withdrawn ever, as Since and ItemsSince count them.
func (s *Store) Counts(ctx context.Context) (emptied, withdrawn int64, err error) {
	if emptied, err = number(s.rdb.Get(ctx, s.users().all)); err == nil {
		withdrawn, err = number(s.rdb.Get(ctx, s.items().all))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("count deletions: %w", err)
	}
	return emptied, withdrawn, nil
}

// Since returns the windows that were emptied after the first seen ones, oldest first, and how many there were ever. missed
// says that there were more than the list holds, or that the list was lost or has expired.
func (s *Store) Since(ctx context.Context, seen int64) (emptied []schema.Deletion, count int64, missed bool, err error) {
	lines, count, missed, err := s.users().since(ctx, seen)
	for _, l := range lines {
		emptied = append(emptied, schema.Deletion{ID: l[0], UserID: l[1]})
	}
	return emptied, count, missed, err
}

// Forgotten returns the windows that were emptied, as far as they are listed and their receipts are there, oldest first and with the times
// their deletion was requested, in one call for each few hundred.
func (s *Store) Forgotten(ctx context.Context) (all []schema.Deletion, err error) {
	listed, _, _, err := s.Since(ctx, 0)
	if err != nil {
		return nil, err
	}
	for some := range slices.Chunk(listed, receiptsPerCall) {
		pipe, requested := s.rdb.Pipeline(), make([]*redis.StringCmd, len(some))
		for i, d := range some {
			requested[i] = pipe.HGet(ctx, s.keys.Deletion(d.ID), requestedField)
		}
		_ = roundtrip.Exec(ctx, pipe) // each command carries its own error
		for i, d := range some {
			at, err := requested[i].Result()
			if errors.Is(err, redis.Nil) { // expired
				continue
			}
			if err == nil {
				d.Requested, err = time.Parse(time.RFC3339Nano, at)
			}
			if err != nil {
				return nil, fmt.Errorf("read deletion %q: requested: %w", d.ID, err)
			}
			all = append(all, d)
		}
	}
	return all, nil
}

// ItemsSince is Since for the items that were withdrawn.
func (s *Store) ItemsSince(ctx context.Context, seen int64) (withdrawn []schema.Deletion, count int64, missed bool, err error) {
	lines, count, missed, err := s.items().since(ctx, seen)
	for _, l := range lines {
		withdrawn = append(withdrawn, schema.Deletion{ID: l[0], ItemID: l[1]})
	}
	return withdrawn, count, missed, err
}

// Get returns a receipt; false for one that nobody opened, or that has expired.
func (s *Store) Get(ctx context.Context, id string) (schema.Deletion, bool, error) {
	fields, err := s.rdb.HGetAll(ctx, s.keys.Deletion(id)).Result()
	if err != nil {
		return schema.Deletion{}, false, fmt.Errorf("read deletion %q: %w", id, err)
	}
	if fields[userField] == "" && fields[itemField] == "" {
		return schema.Deletion{}, false, nil
	}
	d := schema.Deletion{ID: id, UserID: fields[userField], ItemID: fields[itemField], By: fields[byField], Parts: map[string]time.Time{}}
	if awaits := fields[awaitsField]; awaits != "" {
		d.Awaits = strings.Fields(awaits)
	}
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
	return s.latest(ctx, s.keys.UserDeletion(user), "user", user)
}

// LatestItem returns the newest receipt of an item; false for none.
func (s *Store) LatestItem(ctx context.Context, item string) (schema.Deletion, bool, error) {
	return s.latest(ctx, s.keys.ItemDeletion(item), "item", item)
}

func (s *Store) latest(ctx context.Context, key, of, name string) (schema.Deletion, bool, error) {
	id, err := s.rdb.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return schema.Deletion{}, false, nil
	}
	if err != nil {
		return schema.Deletion{}, false, fmt.Errorf("read the deletion of %s %q: %w", of, name, err)
	}
	return s.Get(ctx, id)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
