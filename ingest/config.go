package ingest

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// Config configures the consumers. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Topic               string        `koanf:"topic" help:"topic with the interactions, default softrec.interactions"`
	ItemsTopic          string        `koanf:"items_topic" help:"compacted topic with the catalogue, default softrec.items"`
	DeadLetterTopic     string        `koanf:"dead_letter_topic" help:"topic for records that cannot be used, default softrec.deadletter"`
	Group               string        `koanf:"group" help:"consumer group of the ingest processes, default softrec-ingest"`
	Partitions          int           `koanf:"partitions" help:"partitions of the interactions topic when it is created, default 4"`
	Retention           time.Duration `koanf:"retention" help:"how long interactions are kept on a topic that is created, 0 = for ever, default 0s"`
	DeadLetterRetention time.Duration `koanf:"dead_letter_retention" help:"how long dead letters are kept on a topic that is created, 0 = for ever, default 720h"`
	Instance            string        `koanf:"instance" help:"name of this process on the page; empty means the name of its host, and two on one host need two names"`
	MaxRecords          int           `koanf:"max_records" help:"most records applied at once, default 2000"`
	MaxDelay            time.Duration `koanf:"max_delay" help:"how long the first record of a batch waits for more, default 2ms"`
	Lanes               int           `koanf:"lanes" help:"parts of a batch applied side by side, a user's always in the same one, default 4"`
	MaxFuture           time.Duration `koanf:"max_future" help:"how far an event may lie ahead of the time of its record, default 5m"`
	FlushTimeout        time.Duration `koanf:"flush_timeout" help:"how long a stop may spend on the batch in hand, and again on the last commit, default 10s"`
	Durability          string        `koanf:"durability" help:"what a commit waits for, where Redis is not the embedded one: none, late (2s, the time Redis takes to sync its AOF), waitaof (that it has; Redis 7.2, Valkey) or auto (late in a cluster, none elsewhere), default auto"`
	SyncInterval        time.Duration `koanf:"sync_interval" help:"pause between commits to a store that must be synced first, default 1s"`
}

// Values of Config.Durability.
const (
	DurabilityAuto    = "auto"
	DurabilityNone    = "none"
	DurabilityLate    = "late"
	DurabilityWaitAOF = "waitaof"
)

// DefaultConfig returns a usable Config.
func DefaultConfig() Config {
	return Config{
		Topic:               schema.TopicInteractions,
		ItemsTopic:          schema.TopicItems,
		DeadLetterTopic:     schema.TopicDeadLetter,
		Group:               "softrec-ingest",
		Partitions:          4,
		DeadLetterRetention: 30 * 24 * time.Hour,
		MaxRecords:          2000,
		MaxDelay:            2 * time.Millisecond,
		Lanes:               4,
		MaxFuture:           schema.DefaultMaxFuture,
		FlushTimeout:        10 * time.Second,
		Durability:          DurabilityAuto,
		SyncInterval:        time.Second,
	}
}

// Validate reports every fault of c, joined, each naming its field and value.
func (c Config) Validate() error {
	var errs []error
	bad := func(field string, value any, want string) {
		errs = append(errs, fmt.Errorf("ingest.%s %v: want %s", field, value, want))
	}
	for _, f := range [...]struct{ field, value string }{
		{"topic", c.Topic}, {"items_topic", c.ItemsTopic}, {"dead_letter_topic", c.DeadLetterTopic},
		{"group", c.Group},
	} {
		if f.value == "" {
			bad(f.field, `""`, "a name")
		}
	}
	if c.Topic == c.ItemsTopic || c.Topic == c.DeadLetterTopic || c.ItemsTopic == c.DeadLetterTopic {
		bad("topic", fmt.Sprintf("%q, items_topic %q, dead_letter_topic %q", c.Topic, c.ItemsTopic, c.DeadLetterTopic), "three different names")
	}
	if c.Partitions < 1 {
		bad("partitions", c.Partitions, "at least 1")
	}
	if c.MaxRecords < 1 || c.MaxRecords > 100_000 {
		bad("max_records", c.MaxRecords, "1 to 100000")
	}
	if c.Lanes < 1 || c.Lanes > 256 {
		bad("lanes", c.Lanes, "1 to 256")
	}
	switch c.Durability {
	case DurabilityAuto, DurabilityNone, DurabilityLate, DurabilityWaitAOF:
	default:
		bad("durability", strconv.Quote(c.Durability), "auto, none, late or waitaof")
	}
	for _, d := range [...]struct {
		field string
		value time.Duration
		least time.Duration
	}{
		{"retention", c.Retention, 0}, {"dead_letter_retention", c.DeadLetterRetention, 0}, {"max_delay", c.MaxDelay, 0}, {"max_future", c.MaxFuture, 0},
		{"flush_timeout", c.FlushTimeout, time.Millisecond}, {"sync_interval", c.SyncInterval, time.Millisecond},
	} {
		if d.value < d.least {
			bad(d.field, d.value, "at least "+d.least.String())
		}
	}
	return errors.Join(errs...)
}

// Topics returns what the consumers need, for broker.EnsureTopics: the interactions, kept for Retention (for ever by
// default, so that windows and models can be built anew), the compacted catalogue in one partition, and the dead letters, which may hold
// anything, also of people who are to be forgotten, and so go after a while.
func (c Config) Topics() []broker.TopicSpec {
	return []broker.TopicSpec{
		{Name: c.Topic, Partitions: c.Partitions, Retention: c.Retention},
		{Name: c.ItemsTopic, Partitions: 1, Compacted: true, Tombstones: true},
		{Name: c.DeadLetterTopic, Partitions: 1, Retention: c.DeadLetterRetention},
	}
}
