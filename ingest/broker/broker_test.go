package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

func TestPublishAndFetch(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 4)
	p := producer(t, cfg)
	ctx := within(t, 20*time.Second)
	at := time.UnixMilli(1_700_000_000_123).UTC()
	sent := []Record{
		{Key: []byte("u1"), Value: []byte("v"), Time: at, Headers: map[string]string{"a": "1", "b": ""}},
		{Key: []byte("u1"), Value: nil},
		{Value: []byte("no key")},
		{Key: []byte("u1"), Value: bytes.Repeat([]byte("x"), MaxRecordBytes-2)},
	}
	if err := p.Publish(ctx, name, sent...); err != nil {
		t.Fatal(err)
	}
	got := fetchN(t, group(t, cfg, name, name+"-g"), len(sent))
	byOffset := map[string][]Record{}
	for _, r := range got {
		if r.Topic != name {
			t.Errorf("topic %q", r.Topic)
		}
		byOffset[string(r.Key)] = append(byOffset[string(r.Key)], r)
	}
	u := byOffset["u1"]
	if len(u) != 3 || u[0].Partition != u[1].Partition || u[1].Partition != u[2].Partition {
		t.Fatalf("one key is spread or lost: %d records", len(u))
	}
	if !u[0].Time.Equal(at) || u[0].Headers["a"] != "1" || string(u[0].Value) != "v" {
		t.Errorf("first record came back as %+v", u[0])
	}
	if u[1].Value != nil || u[1].Time.IsZero() {
		t.Errorf("tombstone came back as %+v", u[1])
	}
	if len(u[2].Value) != MaxRecordBytes-2 {
		t.Errorf("large record has %d bytes", len(u[2].Value))
	}
	err := p.Publish(ctx, name, Record{Value: make([]byte, MaxRecordBytes+1)})
	if !errors.Is(err, ErrRecordTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

// The keys must land where a Java producer puts them: known values of murmur2 as org.apache.kafka.common.utils.Utils has it.
func TestPartitioningIsJavas(t *testing.T) {
	ids := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	for key, hash := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536} {
		want := int(hash&0x7fffffff) % len(ids)
		if got := (kafka.Murmur2Balancer{}).Balance(kafka.Message{Key: []byte(key)}, ids...); got != want {
			t.Errorf("key %q goes to %d, Java puts it into %d", key, got, want)
		}
	}
}

func TestEnsureTopics_isIdempotent(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 3)
	ctx := within(t, 20*time.Second)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			spec := TopicSpec{Name: name, Partitions: 5 + i, Compacted: true} // other wishes than what exists
			other := TopicSpec{Name: name + "-new", Partitions: 2, Retention: time.Hour}
			if err := EnsureTopics(ctx, cfg, spec, other); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	client := cfg.client(cfg.transport())
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	for topic, want := range map[string]int{name: 3, name + "-new": 2} {
		got, err := partitionsOf(ctx, client, topic)
		if err != nil || len(got) != want {
			t.Errorf("%s: partitions %v, %v; want %d", topic, got, err, want)
		}
	}
	for topic, want := range map[string]string{name: "-1", name + "-new": "3600000"} {
		if got := topicConfig(t, client, topic, "retention.ms"); got != want {
			t.Errorf("%s: retention.ms %q, want %q", topic, got, want)
		}
	}
}

func TestEnsureTopics_compacted(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 1, func(s *TopicSpec) { s.Compacted, s.Tombstones = true, true })
	client := cfg.client(cfg.transport())
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	for key, want := range map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "3153600000000"} {
		if got := topicConfig(t, client, name, key); got != want {
			t.Errorf("%s %q, want %q", key, got, want)
		}
	}
}

func topicConfig(t *testing.T, client *kafka.Client, topic, key string) string {
	t.Helper()
	res, err := client.DescribeConfigs(within(t, 10*time.Second), &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{key}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res.Resources {
		for _, e := range r.ConfigEntries {
			if e.ConfigName == key {
				return e.ConfigValue
			}
		}
	}
	return "absent"
}

func TestConfigValidate(t *testing.T) {
	good := DefaultConfig()
	good.Brokers = []string{"h:1"}
	for field, spoil := range map[string]func(*Config){
		"broker.brokers":            func(c *Config) { c.Brokers = nil },
		"broker.brokers \"nohost\"": func(c *Config) { c.Brokers = []string{"nohost"} },
		"broker.replication_factor": func(c *Config) { c.ReplicationFactor = 0 },
		"broker.compression":        func(c *Config) { c.Compression = "rar" },
		"broker.dial_timeout":       func(c *Config) { c.DialTimeout = 0 },
		"broker.heartbeat_interval": func(c *Config) { c.HeartbeatInterval = c.SessionTimeout },
		"broker.queue_capacity":     func(c *Config) { c.QueueCapacity = 0 },
		"broker.metadata_interval":  func(c *Config) { c.MetadataInterval = 0 },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil || !bytes.Contains([]byte(err.Error()), []byte(field)) {
			t.Errorf("%s: error %v", field, err)
		}
		if _, err := NewProducer(c); err == nil {
			t.Errorf("%s: NewProducer took it", field)
		}
		if _, err := NewGroupSource(c, "t", "g"); err == nil {
			t.Errorf("%s: NewGroupSource took it", field)
		}
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestProducer_concurrentSmallPublishes(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 4)
	p := producer(t, cfg)
	ctx := within(t, 20*time.Second)
	var wg sync.WaitGroup
	const workers, each = 16, 50
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := p.Publish(ctx, name, Record{Key: fmt.Appendf(nil, "w%d", w), Value: fmt.Appendf(nil, "%d", i)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	next := map[string]int{}
	for _, r := range fetchN(t, group(t, cfg, name, name+"-g"), workers*each) {
		if want := fmt.Sprint(next[string(r.Key)]); string(r.Value) != want {
			t.Fatalf("key %s: %s comes before %s", r.Key, r.Value, want)
		}
		next[string(r.Key)]++
	}
}

func TestProducer_waitsForTheTopic(t *testing.T) {
	cfg, _ := cluster(t)
	p := producer(t, cfg)
	name := "test-late-topic-" + fmt.Sprint(time.Now().UnixNano())
	ctx := within(t, 20*time.Second)
	result := make(chan error, 1)
	go func() { result <- p.Publish(ctx, name, Record{Value: []byte("v")}) }()
	if err := EnsureTopics(ctx, cfg, TopicSpec{Name: name, Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

func TestProducer_givesUpWithItsContext(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Brokers = []string{"127.0.0.1:1"} // nobody there
	p := producer(t, cfg)
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	if err := p.Publish(ctx, "t", Record{Value: []byte("v")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func BenchmarkPublishOne(b *testing.B) {
	cfg, _ := cluster(b)
	name := topic(b, cfg, 4)
	p := producer(b, cfg)
	ctx := context.Background()
	took := make([]time.Duration, 0, b.N)
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		if err := p.Publish(ctx, name, Record{Key: fmt.Appendf(nil, "u%d", i), Value: bytes.Repeat([]byte("x"), 200)}); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	reportQuantiles(b, took)
}

func BenchmarkPublishBatch(b *testing.B) {
	cfg, _ := cluster(b)
	name := topic(b, cfg, 4)
	p := producer(b, cfg)
	recs := numbered(0, 4000, 1000)
	for i := range recs {
		recs[i].Value = bytes.Repeat([]byte("x"), 200)
	}
	for b.Loop() {
		if err := p.Publish(context.Background(), name, recs...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(recs))/b.Elapsed().Seconds(), "records/s")
}
