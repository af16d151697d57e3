package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

// Scan reads topic once, from the first record of each partition to where it ended when Scan was called, and hands every
// record to fn, in offset order within a partition. It is kafka-go's plain reader with nothing around it, for audits and as
// the measure of what reading costs at all: partitions are read at the same time, so fn is called from one goroutine per
// partition. The first error, fn's included, ends it; unlike the sources it does not wait for a broker that is away.
func Scan(ctx context.Context, cfg Config, topic string, fn func(Record) error) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	t := cfg.transport()
	defer t.CloseIdleConnections()
	client := cfg.client(t)
	partitions, err := partitionsOf(ctx, client, topic)
	if err != nil {
		return fmt.Errorf("scan %q: %w", topic, err)
	}
	spans, err := spansOf(ctx, client, topic, partitions)
	if err != nil {
		return fmt.Errorf("scan %q: %w", topic, err)
	}
	g, ctx := errgroup.WithContext(ctx)
	for id, s := range spans {
		if s.first < s.end {
			g.Go(func() error { return scanPartition(ctx, cfg, topic, id, s, fn) })
		}
	}
	return g.Wait()
}

func scanPartition(ctx context.Context, cfg Config, topic string, id int, s span, fn func(Record) error) (err error) {
	r := kafka.NewReader(cfg.reader(topic, id, nil))
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := r.SetOffset(s.first); err != nil {
		return fmt.Errorf("scan %q partition %d: %w", topic, id, err)
	}
	for next := s.first; next < s.end; {
		m, err := r.FetchMessage(ctx)
		if err != nil {
			return fmt.Errorf("scan %q partition %d at offset %d: %w", topic, id, next, err)
		}
		if m.Offset >= s.end {
			return nil // compaction took what stood before the end
		}
		next = m.Offset + 1
		if err := fn(fromMessage(m)); err != nil {
			return err
		}
	}
	return nil
}
