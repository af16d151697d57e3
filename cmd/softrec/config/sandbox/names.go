package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/ingest/broker"
)

// Leavings are what a run makes on servers.
type Leavings struct {
	Keys           []string // starts of the names
	Topics, Groups []string
}

// Names gives everything that processes of cfg write a name of its own below unique, and returns what they leave.
func Names(cfg *config.Config, unique string) Leavings {
	in := &cfg.Ingest
	cfg.Redis.Prefix, in.Group = unique, unique
	in.Topic, in.ItemsTopic, in.DeadLetterTopic = unique+".interactions", unique+".items", unique+".deadletter"
	cfg.Trainer.RoundsTopic, cfg.Attribution.Topic = unique+".rounds", unique+".impressions"
	return Leavings{
		Keys:   []string{unique + ":"},
		Topics: []string{in.Topic, in.ItemsTopic, in.DeadLetterTopic, cfg.Trainer.RoundsTopic, cfg.Attribution.Topic},
		Groups: []string{in.Group, in.Group + "-items", in.Group + "-impressions", in.Group + "-outcomes"},
	}
}

// Add adds what else is made.
func (l *Leavings) Add(more Leavings) {
	l.Keys, l.Topics, l.Groups = append(l.Keys, more.Keys...), append(l.Topics, more.Topics...), append(l.Groups, more.Groups...)
}

// again is the pause between two attempts to remove a group.
const again = 200 * time.Millisecond

// Remove removes them; what is not there is none of its errors. The processes have ended. A killed member stays in its group for a session: groups
// are tried for as long as patience.
func (l Leavings) Remove(ctx context.Context, kafka broker.Config, rdb redis.UniversalClient, patience time.Duration) error {
	var errs []error
	for _, start := range l.Keys {
		errs = append(errs, RemoveKeys(ctx, rdb, start))
	}
	if len(l.Topics) > 0 {
		errs = append(errs, broker.DeleteTopics(ctx, kafka, l.Topics...))
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return errors.Join(append(errs, l.removeGroups(ctx, kafka))...)
}

func (l Leavings) removeGroups(ctx context.Context, kafka broker.Config) error {
	tick := time.NewTicker(again)
	defer tick.Stop()
	var last error
	for {
		err := broker.RemoveGroups(ctx, kafka, l.Groups...)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // the end of ctx is no reason to show
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("remove the groups: %w", last)
		}
	}
}

// RemoveKeys removes every key whose name begins with start, on each master of a cluster.
func RemoveKeys(ctx context.Context, rdb redis.UniversalClient, start string) error {
	sweep := func(ctx context.Context, c *redis.Client) error {
		for cursor := uint64(0); ; {
			keys, next, err := c.Scan(ctx, cursor, start+"*", 1000).Result()
			if err != nil {
				return fmt.Errorf("find the keys below %q: %w", start, err)
			}
			if _, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
				for _, key := range keys { // one by one: they lie in different slots
					p.Unlink(ctx, key)
				}
				return nil
			}); err != nil {
				return fmt.Errorf("remove the keys below %q: %w", start, err)
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	}
	switch c := rdb.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, sweep)
	case *redis.Client: // of one server, or of the master that sentinels name
		return sweep(ctx, c)
	default:
		return fmt.Errorf("remove the keys below %q: %T is not known", start, c)
	}
}
