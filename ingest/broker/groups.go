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
	return names, deleteGroups(ctx, client, cfg, names)
}

// RemoveGroups deletes consumer groups with their committed offsets, for programs that made them for themselves. One that does
// not exist is as good as deleted; one with members is refused by the broker.
func RemoveGroups(ctx context.Context, cfg Config, names ...string) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	t := cfg.transport()
	defer t.CloseIdleConnections()
	return deleteGroups(ctx, cfg.client(t), cfg, names)
}

func deleteGroups(ctx context.Context, client *kafka.Client, cfg Config, names []string) error {
	var errs []error
	for _, name := range names { // one by one: each has its own coordinator, and kafka-go asks that of the first for all of them
		res, err := client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{name}})
		if err == nil {
			err = res.Errors[name]
		}
		if err != nil && !errors.Is(err, kafka.GroupIdNotFound) {
			errs = append(errs, fmt.Errorf("delete group %q: %w", name, cfg.explain(err)))
		}
	}
	return errors.Join(errs...)
}
