package ingest

import (
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
)

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	for field, spoil := range map[string]func(*Config){
		"ingest.topic":                 func(c *Config) { c.Topic = "" },
		"three different names":        func(c *Config) { c.ItemsTopic = c.Topic },
		"ingest.dead_letter_topic":     func(c *Config) { c.DeadLetterTopic = "" },
		"ingest.group":                 func(c *Config) { c.Group = "" },
		"ingest.partitions":            func(c *Config) { c.Partitions = 0 },
		"ingest.retention":             func(c *Config) { c.Retention = -1 },
		"ingest.dead_letter_retention": func(c *Config) { c.DeadLetterRetention = -1 },
		"ingest.max_records":           func(c *Config) { c.MaxRecords = 0 },
		"ingest.lanes":                 func(c *Config) { c.Lanes = 0 },
		"ingest.max_delay":             func(c *Config) { c.MaxDelay = -1 },
		"ingest.flush_timeout":         func(c *Config) { c.FlushTimeout = 0 },
		"ingest.sync_interval":         func(c *Config) { c.SyncInterval = 0 },
	} {
		c := DefaultConfig()
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: error %v", field, err)
		}
	}
	for _, s := range DefaultConfig().Topics() {
		want := time.Duration(0)
		if s.Name == schema.TopicDeadLetter {
			want = 30 * 24 * time.Hour
		}
		if err := s.Validate(); err != nil || s.Retention != want {
			t.Errorf("topic %+v: %v; by default records must be kept for ever, and dead letters, which nobody can be taken out of, for a month", s, err)
		}
	}
}
