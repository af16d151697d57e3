package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// DeleteGroups deletes all consumer groups of the cluster with their committed offsets and returns their names. It is
// for clusters that are softrec's own (the embedded one); groups with members are refused by the broker.
func DeleteGroups(ctx context.Context, cfg Config) ([]string, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t := cfg.transport()
	defer t.CloseIdleConnections()
	client := cfg.client(t)
	list, err := client.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err == nil {
		err = list.Error
	}
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", cfg.explain(err))
	}
	var names []string
	for _, g := range list.Groups {
		names = append(names, g.GroupID)
	}
	if len(names) == 0 {
		return nil, nil
	}
	res, err := client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: names})
	if err != nil {
		return nil, fmt.Errorf("delete groups: %w", cfg.explain(err))
	}
	var errs []error
	for _, name := range names {
		if err := res.Errors[name]; err != nil {
			errs = append(errs, fmt.Errorf("delete group %q: %w", name, cfg.explain(err)))
		}
	}
	return names, errors.Join(errs...)
}
