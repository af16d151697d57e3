package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

// Scan reads topic once, from the first record of each partition to where it ended when Scan was called, and hands every
// record to fn, in offset order within a partition. It is kafka-go's plain reader with nothing around it, for audits and as
// the measure of what reading costs at all: partitions are read at the same time, so fn is called from one goroutine per
// partition. The first error, fn's included, ends it; unlike the sources it does not wait for a broker that is away.
func Scan(ctx context.Context, cfg Config, topic string, fn func(Record) error) error {
	return ScanSince(ctx, cfg, topic, time.Time{}, fn)
}

// ScanSince is Scan from the first record of each partition that was written at since or later; the zero time is the beginning.
func ScanSince(ctx context.Context, cfg Config, topic string, since time.Time, fn func(Record) error) error {
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
	if !since.IsZero() {
		if err := startAt(ctx, client, topic, since, spans); err != nil {
			return fmt.Errorf("scan %q: %w", topic, err)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for id, s := range spans {
		if s.first < s.end {
			g.Go(func() error { return scanPartition(ctx, cfg, topic, id, s, fn) })
		}
	}
	return g.Wait()
}

// startAt moves the beginnings of spans to the first record of since or later; where there is none the span is empty.
func startAt(ctx context.Context, client *kafka.Client, topic string, since time.Time, spans map[int]span) error {
	var want []kafka.OffsetRequest
	for p := range spans {
		want = append(want, kafka.TimeOffsetOf(p, since))
	}
	res, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: want}})
	if err != nil {
		return fmt.Errorf("list offsets of %q at %s: %w", topic, since.UTC().Format(time.RFC3339), err)
	}
	for _, p := range res.Topics[topic] {
		if p.Error != nil {
			return fmt.Errorf("list offsets of %q partition %d: %w", topic, p.Partition, p.Error)
		}
		s := spans[p.Partition]
		first := s.end
		for at := range p.Offsets { // one, or -1 where no record is that new
			if at >= 0 {
				first = at
			}
		}
		s.first = max(s.first, first)
		spans[p.Partition] = s
	}
	return nil
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
