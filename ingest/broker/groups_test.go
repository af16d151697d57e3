package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/softrec/softrec/ingest/retry"
)

// Groups have different coordinators where there are several brokers. One request once went to that of the first group, which refused the
// others.
func TestGroups_severalCoordinators(t *testing.T) {
	cfg, _ := cluster(t, kfake.NumBrokers(3))
	name := topic(t, cfg, 1)
	ctx := within(t, 40*time.Second)
	if err := producer(t, cfg).Publish(ctx, name, numbered(0, 1, 1)...); err != nil {
		t.Fatal(err)
	}
	transport := cfg.transport()
	defer transport.CloseIdleConnections()
	client := cfg.client(transport)
	var names []string
	for i := range 16 {
		names = append(names, fmt.Sprintf("%s-%d", name, i))
	}
	// A real cluster's first group finds no coordinator for a moment, and one broker has all groups after the other was gone.
	err := retry.Do(ctx, retry.DefaultPolicy(), nil, func(ctx context.Context) error {
		coordinators := map[int]bool{}
		for _, group := range names {
			res, err := client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: group, KeyType: kafka.CoordinatorKeyTypeConsumer})
			if err == nil {
				err = res.Error
			}
			if err != nil {
				return err
			}
			coordinators[res.Coordinator.NodeID] = true
		}
		if len(coordinators) > 1 || len(cfg.Brokers) == 1 {
			return nil
		}
		_, err := client.ElectLeaders(ctx, &kafka.ElectLeadersRequest{Topic: "__consumer_offsets", Partitions: []int{0, 1, 2, 3}, Timeout: 5 * time.Second})
		return errors.Join(fmt.Errorf("all groups have one coordinator, the test would show nothing: %w", kafka.LeaderNotAvailable), err)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range names {
		if err := retry.Do(ctx, retry.DefaultPolicy(), nil, func(ctx context.Context) error { return commit(ctx, client, name, group) }); err != nil {
			t.Fatalf("make group %s: %v", group, err)
		}
	}
	if err := RemoveGroups(ctx, cfg, append(names, name+"-never")...); err != nil {
		t.Error(err)
	}
	left, err := client.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range left.Groups {
		if slices.Contains(names, g.GroupID) {
			t.Errorf("group %s is left", g.GroupID)
		}
	}
}

// commit makes a group without members, by a commit.
func commit(ctx context.Context, client *kafka.Client, topic, group string) error {
	res, err := client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: 1}}}})
	if err != nil {
		return err
	}
	for _, p := range res.Topics[topic] {
		err = errors.Join(err, p.Error)
	}
	return err
}
