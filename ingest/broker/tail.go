package broker

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Tail returns the last n records of topic, those with the newest time first, each as shorten leaves it: an operator's look at a
// topic, which holds no more than n of shorten's results from each partition in memory. Like Scan it does not wait for a broker that is away. It
// reads up to where the topic ended when it was called.
func Tail[T any](ctx context.Context, cfg Config, topic string, n int, shorten func(Record) T, newer func(a, b T) int) ([]T, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	spans, done, err := spansNow(ctx, cfg, topic)
	if err != nil {
		return nil, err
	}
	defer done()
	var mu sync.Mutex
	var all []T
	g, ctx := errgroup.WithContext(ctx)
	for id, s := range spans {
		if s.first = max(s.first, s.end-int64(n)); s.first >= s.end {
			continue
		}
		g.Go(func() error {
			return scanPartition(ctx, cfg, topic, id, s, func(r Record) error {
				short := shorten(r)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, short)
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(all, newer)
	return all[:min(n, len(all))], nil
}

// At returns the record at one place of topic; false where none stands there, any more or yet.
func At(ctx context.Context, cfg Config, topic string, partition int, offset int64) (rec Record, found bool, err error) {
	if err := cfg.Validate(); err != nil {
		return Record{}, false, err
	}
	spans, done, err := spansNow(ctx, cfg, topic)
	if err != nil {
		return Record{}, false, err
	}
	defer done()
	s, ok := spans[partition]
	if !ok || offset < s.first || offset >= s.end {
		return Record{}, false, nil
	}
	err = scanPartition(ctx, cfg, topic, partition, span{first: offset, end: offset + 1}, func(r Record) error {
		rec, found = r, true
		return nil
	})
	return rec, found, err
}

// spansNow asks for the bounds of every partition of topic. The connections live until done is called.
func spansNow(ctx context.Context, cfg Config, topic string) (spans map[int]span, done func(), err error) {
	t := cfg.transport()
	client := cfg.client(t)
	partitions, err := partitionsOf(ctx, client, topic)
	if err == nil {
		spans, err = spansOf(ctx, client, topic, partitions)
	}
	if err != nil {
		t.CloseIdleConnections()
		return nil, nil, fmt.Errorf("read %q: %w", topic, err)
	}
	return spans, t.CloseIdleConnections, nil
}
