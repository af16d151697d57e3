package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go"
)

// Members returns the partitions of topic that each member of group has now, ascending, by the broker's name of the member.
// A group that nobody knows, and one in the middle of a rebalance, has none.
func Members(ctx context.Context, cfg Config, group, topic string) (map[string][]int, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t := cfg.transport()
	defer t.CloseIdleConnections()
	return membersOf(ctx, cfg.client(t), group, topic)
}

// membersOf is Members by a client.
func membersOf(ctx context.Context, client *kafka.Client, group, topic string) (map[string][]int, error) {
	res, err := client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return nil, fmt.Errorf("describe group %q: %w", group, err)
	}
	members := map[string][]int{}
	for _, g := range res.Groups {
		if g.Error != nil && !errors.Is(g.Error, kafka.GroupIdNotFound) {
			return nil, fmt.Errorf("describe group %q: %w", group, g.Error)
		}
		if g.GroupState != "Stable" {
			continue
		}
		for _, m := range g.Members {
			members[m.MemberID] = nil
			for _, a := range m.MemberAssignments.Topics {
				if a.Topic == topic {
					members[m.MemberID] = slices.Sorted(slices.Values(a.Partitions))
				}
			}
		}
	}
	return members, nil
}
