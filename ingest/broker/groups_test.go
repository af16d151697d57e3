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
	coordinators := map[int]bool{}
	for i := range 16 {
		group := fmt.Sprintf("%s-%d", name, i)
		err := retry.Do(ctx, retry.DefaultPolicy(), nil, func(ctx context.Context) error { // a real cluster's first group finds no coordinator for a moment
			res, err := client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: group, KeyType: kafka.CoordinatorKeyTypeConsumer})
			if err == nil {
				err = res.Error
			}
			if err != nil {
				return err
			}
			coordinators[res.Coordinator.NodeID] = true
			return commit(ctx, client, name, group)
		})
		if err != nil {
			t.Fatalf("make group %s: %v", group, err)
		}
		names = append(names, group)
	}
	if len(coordinators) < 2 && len(cfg.Brokers) > 1 {
		t.Errorf("all groups have one coordinator: the test shows nothing")
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
