package app

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/softrec/softrec/ingest/broker"
)

// firstWord and nextWord are when somebody who waits for Kafka is told so.
const (
	firstWord = 2 * time.Second
	nextWord  = 30 * time.Second
)

// runTopics makes the topics as soon as Kafka is there. Until then serve answers, and ingest and the trainer wait.
func (a *App) runTopics(ctx context.Context) error {
	if err := a.makeTopics(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// makeTopics makes the topics that are missing and lets the waiting parts begin.
func (a *App) makeTopics(ctx context.Context) error {
	reason, said := a.sayWaiting(ctx)
	defer said()
	specs := append(a.cfg.Ingest.Topics(), broker.TopicSpec{Name: a.cfg.Trainer.RoundsTopic, Partitions: 1, Compacted: true})
	if at := a.cfg.Attribution; at.Enabled {
		specs = append(specs, broker.TopicSpec{Name: at.Topic, Partitions: a.cfg.Ingest.Partitions, Retention: at.Retention})
	}
	if err := broker.AwaitTopics(ctx, a.kafka, reason, specs...); err != nil {
		return err
	}
	close(a.topicsMade)
	return nil
}

// awaitTopics waits until the topics are there; the error is that of ctx.
func (a *App) awaitTopics(ctx context.Context) error {
	select {
	case <-a.topicsMade:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sayWaiting logs now and then that Kafka is waited for, with the newest reason told, until stop is called.
func (a *App) sayWaiting(ctx context.Context) (reason func(error), stop func()) {
	var newest atomic.Pointer[error]
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for wait := firstWord; ; wait = nextWord {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
				args := []any{"brokers", a.kafka.Brokers}
				if err := newest.Load(); err != nil {
					args = append(args, "error", *err)
				}
				a.log.Warn("waiting for Kafka", args...)
			}
		}
	}()
	return func(err error) { newest.Store(&err) }, func() { cancel(); <-done }
}
