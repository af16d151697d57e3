package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/retry"
)

// Wait returns when the Kafka and the Redis that cfg names, or the one of them that it names, answer requests, or when
// ctx is done. A log line of a server proves nothing; an answer does.
func Wait(ctx context.Context, cfg config.Config) error {
	var errs []error
	if !cfg.EmbeddedKafka() {
		if err := broker.EnsureTopics(ctx, cfg.Kafka); err != nil {
			errs = append(errs, fmt.Errorf("kafka %v: %w", cfg.Kafka.Brokers, err))
		}
	}
	if !cfg.EmbeddedRedis() {
		rdb := redis.NewUniversalClient(cfg.Redis.Options(cfg.Redis.Addrs))
		err := retry.Do(ctx, retry.DefaultPolicy(), nil, func(ctx context.Context) error { return rdb.Ping(ctx).Err() })
		if err := errors.Join(err, rdb.Close()); err != nil {
			errs = append(errs, fmt.Errorf("redis %v: %w", cfg.Redis.Addrs, err))
		}
	}
	return errors.Join(errs...)
}
