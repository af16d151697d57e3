package deletion

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// journal is a bounded list of what was deleted, newest first, with the number of lines it ever had.
type journal struct {
	rdb       redis.UniversalClient
	list, all string // keys
	limit     int64
	ttl       time.Duration // of the list after its last line; 0 for ever
}

func (s *Store) users() journal {
	return journal{s.rdb, s.keys.DeletionLog(), s.keys.DeletionCount(), Log, TTL}
}

func (s *Store) items() journal {
	return journal{s.rdb, s.keys.ItemDeletionLog(), s.keys.ItemDeletionCount(), ItemLog, 0}
}

func line(id, name string) string { return id + "\n" + name }

func cutLine(l string) (id, name string) {
	id, name, _ = strings.Cut(l, "\n")
	return id, name
}

// lookBehind is how many of the oldest lines are looked at besides as many as were added.
const lookBehind = 8

// add puts lines at the head, the last one first, and returns the oldest ones of the list.
func (j journal) add(ctx context.Context, lines []string) (oldest []string, err error) {
	if len(lines) == 0 {
		return nil, nil
	}
	values := make([]any, len(lines))
	for i, l := range lines {
		values[i] = l
	}
	var behind *redis.StringSliceCmd
	_, err = j.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.LPush(ctx, j.list, values...)
		p.LTrim(ctx, j.list, 0, j.limit-1)
		p.IncrBy(ctx, j.all, int64(len(lines)))
		if j.ttl > 0 {
			p.Expire(ctx, j.list, j.ttl)
			behind = p.LRange(ctx, j.list, -int64(len(lines))-lookBehind, -1)
		}
		return nil
	})
	if err != nil || behind == nil {
		return nil, err
	}
	return behind.Val(), nil
}

// slack is how many lines more than are wanted are asked for, as others may come before they are read.
const slack = 64

// since returns the lines after the first seen ones, oldest first, each an id and a name. Where there were fewer ever, Redis has lost the
// list: missed is set, and what stands there now is returned. A list that was lost and has already grown past seen is taken for the old one.
func (j journal) since(ctx context.Context, seen int64) (lines [][2]string, count int64, missed bool, err error) {
	if count, err = number(j.rdb.Get(ctx, j.all)); err != nil {
		return nil, seen, false, fmt.Errorf("follow deletions: %w", err)
	}
	for {
		fresh := count - seen
		if fresh == 0 {
			return nil, count, false, nil
		}
		if fresh < 0 { // Redis lost them: the list is another one, and nobody has seen it
			fresh, seen, missed = count, 0, true
		}
		want := min(fresh, j.limit)
		texts, now, err := j.newest(ctx, want+slack)
		if err != nil {
			return nil, seen, false, fmt.Errorf("follow deletions: %w", err)
		}
		if count = now; min(count-seen, j.limit) > want+slack { // many have come meanwhile
			continue
		}
		if fresh = count - seen; fresh < 0 {
			continue
		}
		missed = missed || int64(len(texts)) < fresh
		for i := min(int64(len(texts)), fresh) - 1; i >= 0; i-- {
			id, name := cutLine(texts[i])
			lines = append(lines, [2]string{id, name})
		}
		return lines, count, missed, nil
	}
}

// newest returns the n newest lines and how many there were ever, both at the same moment: a line that comes between two calls would
// push the oldest one out of what is read.
func (j journal) newest(ctx context.Context, n int64) (texts []string, count int64, err error) {
	var list *redis.StringSliceCmd
	var all *redis.StringCmd
	_, err = j.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		list, all = p.LRange(ctx, j.list, 0, n-1), p.Get(ctx, j.all)
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, 0, err
	}
	count, err = number(all)
	return list.Val(), count, err
}

// number is what a counter holds, 0 where it is not there.
func number(cmd *redis.StringCmd) (int64, error) {
	n, err := cmd.Int64()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	return n, err
}
