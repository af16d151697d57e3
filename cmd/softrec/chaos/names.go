package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
)

// takeNames gives everything that the run writes a name of its own: the servers may be somebody else's, with a softrec on them.
func (r *run) takeNames(unique string) {
	r.cfg.Redis.Prefix = unique
	in := &r.cfg.Ingest
	in.Topic, in.ItemsTopic, in.DeadLetterTopic, in.Group = unique+".interactions", unique+".items", unique+".deadletter", unique
	r.cfg.Trainer.RoundsTopic, r.cfg.Attribution.Topic = unique+".rounds", unique+".impressions"
}

// variables are those names that not every role has a flag for, though all make the topics.
func (r *run) variables() []string {
	return []string{"SOFTREC_TRAINER_ROUNDS_TOPIC=" + r.cfg.Trainer.RoundsTopic, "SOFTREC_ATTRIBUTION_TOPIC=" + r.cfg.Attribution.Topic}
}

// sweep removes the run's topics, groups and keys from servers that are somebody else's. All parts have ended.
func (r *run) sweep() error {
	patience := time.Minute + r.o.Session
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	in := r.cfg.Ingest
	keys := r.sweepKeys(ctx)
	topics := broker.DeleteTopics(ctx, r.cfg.Kafka, in.Topic, in.ItemsTopic, in.DeadLetterTopic, r.cfg.Trainer.RoundsTopic, r.cfg.Attribution.Topic)
	groups := until(ctx, "remove the groups", patience, func(ctx context.Context) (bool, error) { // a killed member stays for a session
		err := broker.RemoveGroups(ctx, r.cfg.Kafka, in.Group, in.Group+"-items", in.Group+"-impressions", in.Group+"-outcomes")
		return err == nil, err
	})
	return errors.Join(keys, topics, groups)
}

// sweepKeys removes every key below the run's prefix, on each master of a cluster.
func (r *run) sweepKeys(ctx context.Context) error {
	sweep := func(ctx context.Context, c *redis.Client) error {
		for cursor := uint64(0); ; {
			keys, next, err := c.Scan(ctx, cursor, r.cfg.Redis.Prefix+":*", 1000).Result()
			if err != nil {
				return fmt.Errorf("find the keys of the run: %w", err)
			}
			if _, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
				for _, key := range keys { // one by one: they lie in different slots
					p.Unlink(ctx, key)
				}
				return nil
			}); err != nil {
				return fmt.Errorf("remove the keys of the run: %w", err)
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	}
	switch c := r.rdb.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, sweep)
	case *redis.Client: // of one server, or of the master that sentinels name
		return sweep(ctx, c)
	default:
		return fmt.Errorf("remove the keys of the run: %T is not known", c)
	}
}
