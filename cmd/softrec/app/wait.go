package app

import (
	"context"
	"errors"
	"fmt"

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
		if err := waitRedis(ctx, cfg.Redis); err != nil {
			errs = append(errs, fmt.Errorf("redis %s: %w", cfg.Redis.Where(), err))
		}
	}
	return errors.Join(errs...)
}

func waitRedis(ctx context.Context, cfg config.Redis) error {
	rdb, err := cfg.Open()
	if err != nil {
		return err
	}
	err = retry.Do(ctx, retry.DefaultPolicy(), nil, func(ctx context.Context) error { return rdb.Ping(ctx).Err() })
	return errors.Join(err, rdb.Close())
}
