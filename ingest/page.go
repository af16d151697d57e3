package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// Bounds of what the page keeps in Redis.
const (
	recentEvents = 200            // elements of Keys.RecentEvents
	pageTTL      = 24 * time.Hour // the page's keys vanish this long after the last process reported
)

// RedisPage is the Page in Redis that serve shows: Keys.RecentEvents (newest first) and Keys.IngestStatus.
type RedisPage struct {
	rdb  redis.UniversalClient
	keys schema.Keys
}

// NewPage returns the page under keys.
func NewPage(rdb redis.UniversalClient, keys schema.Keys) *RedisPage {
	return &RedisPage{rdb: rdb, keys: keys}
}

// Recent puts events, given oldest first, at the head of the list of the newest.
func (p *RedisPage) Recent(ctx context.Context, events [][]byte) error {
	values := make([]any, len(events))
	for i, e := range events {
		values[i] = e
	}
	key := p.keys.RecentEvents()
	_, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.LPush(ctx, key, values...)
		pipe.LTrim(ctx, key, 0, recentEvents-1)
		pipe.Expire(ctx, key, pageTTL)
		return nil
	})
	if err != nil {
		return fmt.Errorf("push %d recent events: %w", len(events), err)
	}
	return nil
}

// Forget removes the events of users from the list of the newest, in two calls.
func (p *RedisPage) Forget(ctx context.Context, users ...string) error {
	key, gone := p.keys.RecentEvents(), setOf(users)
	all, err := p.rdb.LRange(ctx, key, 0, -1).Result()
	if err != nil {
		return fmt.Errorf("forget recent events: %w", err)
	}
	_, err = p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, doc := range all {
			var e schema.Event
			if json.Unmarshal([]byte(doc), &e) == nil && gone[e.UserID] {
				pipe.LRem(ctx, key, 0, doc)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget recent events: %w", err)
	}
	return nil
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

// Status stores st under its instance.
func (p *RedisPage) Status(ctx context.Context, st schema.IngestStatus) error {
	doc, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("encode status of %q: %w", st.Instance, err)
	}
	key := p.keys.IngestStatus()
	_, err = p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.HSet(ctx, key, st.Instance, doc)
		pipe.Expire(ctx, key, pageTTL)
		return nil
	})
	if err != nil {
		return fmt.Errorf("store status of %q: %w", st.Instance, err)
	}
	return nil
}

// Leave removes instance's status.
func (p *RedisPage) Leave(ctx context.Context, instance string) error {
	if err := p.rdb.HDel(ctx, p.keys.IngestStatus(), instance).Err(); err != nil {
		return fmt.Errorf("remove status of %q: %w", instance, err)
	}
	return nil
}
