package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go"
)

// span is what a partition holds: offsets first to end-1.
type span struct{ first, end int64 }

// partitionsOf lists the partitions of topic, ascending.
func partitionsOf(ctx context.Context, client *kafka.Client, topic string) ([]int, error) {
	res, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, fmt.Errorf("metadata of %q: %w", topic, err)
	}
	for _, t := range res.Topics {
		if t.Name != topic {
			continue
		}
		if err := topicReady(t); err != nil {
			return nil, err
		}
		ids := make([]int, len(t.Partitions))
		for i, p := range t.Partitions {
			ids[i] = p.ID
		}
		slices.Sort(ids)
		return ids, nil
	}
	return nil, fmt.Errorf("metadata of %q: %w", topic, kafka.UnknownTopicOrPartition)
}

// spansOf asks for the first and end offsets of partitions.
func spansOf(ctx context.Context, client *kafka.Client, topic string, partitions []int) (map[int]span, error) {
	if len(partitions) == 0 {
		return map[int]span{}, nil
	}
	var want []kafka.OffsetRequest
	for _, p := range partitions {
		want = append(want, kafka.FirstOffsetOf(p), kafka.LastOffsetOf(p))
	}
	res, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: want}})
	if err != nil {
		return nil, fmt.Errorf("list offsets of %q: %w", topic, err)
	}
	spans := make(map[int]span, len(partitions))
	for _, p := range res.Topics[topic] {
		if p.Error != nil {
			return nil, fmt.Errorf("list offsets of %q partition %d: %w", topic, p.Partition, p.Error)
		}
		spans[p.Partition] = span{first: p.FirstOffset, end: p.LastOffset}
	}
	for _, p := range partitions {
		if _, ok := spans[p]; !ok {
			return nil, fmt.Errorf("list offsets of %q partition %d: %w", topic, p, kafka.LeaderNotAvailable)
		}
	}
	return spans, nil
}

// Lag returns, by partition, how many records of topic the group has not committed yet. It asks the broker for committed
// and end offsets: the statistics of kafka-go's reader only know the partition it read last.
func Lag(ctx context.Context, cfg Config, group, topic string) (map[int]int64, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t := cfg.transport()
	defer t.CloseIdleConnections()
	client := cfg.client(t)
	partitions, err := partitionsOf(ctx, client, topic)
	if err != nil {
		return nil, fmt.Errorf("lag of group %q: %w", group, cfg.explain(err))
	}
	spans, err := spansOf(ctx, client, topic, partitions)
	if err != nil {
		return nil, fmt.Errorf("lag of group %q: %w", group, cfg.explain(err))
	}
	res, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: partitions}})
	if err == nil && !errors.Is(res.Error, kafka.GroupIdNotFound) { // such a group has committed nothing
		err = res.Error
	}
	if err != nil {
		return nil, fmt.Errorf("lag of group %q: committed offsets of %q: %w", group, topic, cfg.explain(err))
	}
	lag := make(map[int]int64, len(partitions))
	for _, p := range partitions {
		lag[p] = spans[p].end - spans[p].first
	}
	for _, p := range res.Topics[topic] {
		if p.Error != nil && !errors.Is(p.Error, kafka.GroupIdNotFound) {
			return nil, fmt.Errorf("lag of group %q: committed offset of %q partition %d: %w", group, topic, p.Partition, p.Error)
		}
		s := spans[p.Partition]
		lag[p.Partition] = max(0, s.end-max(s.first, p.CommittedOffset))
	}
	return lag, nil
}
