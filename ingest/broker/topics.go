package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/softrec/softrec/ingest/retry"
)

// TopicSpec describes a topic that softrec needs.
type TopicSpec struct {
	Name       string
	Partitions int           // used when the topic is created; an existing topic keeps what it has
	Compacted  bool          // keep the newest record of each key for ever (cleanup.policy=compact)
	Tombstones bool          // keep those of a compacted topic, too, as far as the cluster lets us: who reads it from its start must learn what was deleted
	Retention  time.Duration // how long records are kept; 0 keeps them for ever, whatever the cluster's default
}

// Validate reports every fault of s, joined.
func (s TopicSpec) Validate() error {
	var errs []error
	if s.Name == "" {
		errs = append(errs, errors.New("topic name is empty"))
	}
	if s.Partitions < 1 {
		errs = append(errs, fmt.Errorf("topic %q: %d partitions: want at least 1", s.Name, s.Partitions))
	}
	if s.Retention < 0 {
		errs = append(errs, fmt.Errorf("topic %q: retention %s: want 0 or more", s.Name, s.Retention))
	}
	return errors.Join(errs...)
}

func (s TopicSpec) config(replicas int) kafka.TopicConfig {
	entries := []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "-1"}}
	if s.Retention > 0 {
		entries[0].ConfigValue = strconv.FormatInt(s.Retention.Milliseconds(), 10)
	}
	if s.Compacted {
		entries = append(entries, kafka.ConfigEntry{ConfigName: "cleanup.policy", ConfigValue: "compact"})
		if s.Tombstones {
			entries = append(entries, kafka.ConfigEntry{ConfigName: "delete.retention.ms", ConfigValue: strconv.FormatInt(keepTombstones.Milliseconds(), 10)})
		}
	}
	return kafka.TopicConfig{Topic: s.Name, NumPartitions: s.Partitions, ReplicationFactor: replicas, ConfigEntries: entries}
}

// EnsureTopics creates the topics that are missing and returns when the cluster shows all of them, with a leader for
// each partition. A topic that exists is taken as it is: other partition counts and settings are accepted. It retries
// until ctx ends; an error before that is one that waiting does not cure (for example a missing right).
func EnsureTopics(ctx context.Context, cfg Config, specs ...TopicSpec) error {
	return AwaitTopics(ctx, cfg, func(error) {}, specs...)
}

// AwaitTopics is EnsureTopics for who waits longer: why it waits is told to waiting before each new try.
func AwaitTopics(ctx context.Context, cfg Config, waiting func(error), specs ...TopicSpec) error {
	errs := []error{cfg.Validate()}
	for _, s := range specs {
		errs = append(errs, s.Validate())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t := cfg.transport()
	t.MetadataTTL = 100 * time.Millisecond // a transport answers from its cache: look again soon
	defer t.CloseIdleConnections()
	client := cfg.client(t)
	notify := func(err error, _ time.Duration) { waiting(cfg.explain(err)) }
	err := retry.Do(ctx, forever(), notify, func(ctx context.Context) error {
		missing, err := missingTopics(ctx, client, specs)
		if err != nil || len(missing) == 0 {
			return err
		}
		if err := createTopics(ctx, client, cfg.ReplicationFactor, missing, waiting); err != nil {
			return err
		}
		return kafka.LeaderNotAvailable // created just now: look again until the metadata shows them
	})
	if err != nil {
		return fmt.Errorf("ensure topics: %w", cfg.explain(err))
	}
	return nil
}

// missingTopics asks for the metadata of all specs and returns those that do not exist. A topic that is being made
// (no leader yet) is a retryable error.
func missingTopics(ctx context.Context, client *kafka.Client, specs []TopicSpec) ([]TopicSpec, error) {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	res, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: names})
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	found := make(map[string]kafka.Topic, len(res.Topics))
	for _, t := range res.Topics {
		found[t.Name] = t
	}
	var missing []TopicSpec
	for _, s := range specs {
		t, ok := found[s.Name]
		if !ok || errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
			missing = append(missing, s)
			continue
		}
		if err := topicReady(t); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

func topicReady(t kafka.Topic) error {
	if t.Error != nil {
		return fmt.Errorf("topic %q: %w", t.Name, t.Error)
	}
	if len(t.Partitions) == 0 {
		return fmt.Errorf("topic %q has no partitions yet: %w", t.Name, kafka.LeaderNotAvailable)
	}
	for _, p := range t.Partitions {
		if p.Error != nil {
			return fmt.Errorf("topic %q partition %d: %w", t.Name, p.ID, p.Error)
		}
	}
	return nil
}

// keepTombstones is for ever. Kafka adds it to the clock, so that the largest number would overflow.
const keepTombstones = 100 * 365 * 24 * time.Hour

// createTopics asks for all specs at once; that another process was first is as good as success. Where a cluster does not let us keep tombstones,
// tell hears of it, and the topic is made without.
func createTopics(ctx context.Context, client *kafka.Client, replicas int, specs []TopicSpec, tell func(error)) error {
	req := &kafka.CreateTopicsRequest{}
	for _, s := range specs {
		req.Topics = append(req.Topics, s.config(replicas))
	}
	res, err := client.CreateTopics(ctx, req)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	var errs []error
	var bounded []TopicSpec
	for _, s := range specs {
		err := res.Errors[s.Name]
		switch {
		case err == nil || errors.Is(err, kafka.TopicAlreadyExists):
		case s.Tombstones && (errors.Is(err, kafka.InvalidConfiguration) || errors.Is(err, kafka.PolicyViolation)):
			tell(fmt.Errorf("create topic %q with delete.retention.ms %d, trying without: %w", s.Name, keepTombstones.Milliseconds(), err))
			s.Tombstones = false
			bounded = append(bounded, s)
		default:
			errs = append(errs, fmt.Errorf("create topic %q: %w", s.Name, err))
		}
	}
	if len(bounded) > 0 {
		errs = append(errs, createTopics(ctx, client, replicas, bounded, tell))
	}
	return errors.Join(errs...)
}

// DeleteTopics deletes topics with everything in them, for programs that made them for themselves. One that does not exist is
// as good as deleted.
func DeleteTopics(ctx context.Context, cfg Config, topics ...string) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	t := cfg.transport()
	defer t.CloseIdleConnections()
	res, err := cfg.client(t).DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: topics})
	if err != nil {
		return fmt.Errorf("delete topics %q: %w", topics, err)
	}
	var errs []error
	for name, err := range res.Errors {
		if err != nil && !errors.Is(err, kafka.UnknownTopicOrPartition) {
			errs = append(errs, fmt.Errorf("delete topic %q: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
