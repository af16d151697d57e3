package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/softrec/softrec/schema"
)

// limit sets how large the batches are that a topic takes.
func (b *bench) limit(topic string, bytes int) {
	b.t.Helper()
	admin := &kafka.Client{Addr: kafka.TCP(b.kafka.Brokers...)}
	res, err := admin.IncrementalAlterConfigs(b.ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "max.message.bytes", Value: fmt.Sprint(bytes), ConfigOperation: kafka.ConfigOperationSet}},
	}}})
	if err != nil || res.Resources[0].Error != nil {
		b.t.Fatal(res, err)
	}
}

// A record larger than a fetch may be stands at the head of a partition, on a topic that allows it. It is set aside, cut, and what
// follows is applied.
func TestConsumer_recordLargerThanAFetch(t *testing.T) {
	b := newBench(t, "")
	const size = 6 << 20 // a fetch asks for 4 MiB
	b.limit(b.cfg.Topic, 2*size)
	producer, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(2*size),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	large := []byte(strings.Repeat("x", size))
	b.eventually("the broker has heard that the topic allows it", func() bool {
		err = producer.ProduceSync(b.ctx, &kgo.Record{Topic: b.cfg.Topic, Key: []byte("u"), Value: large}).FirstErr()
		return !errors.Is(err, kerr.MessageTooLarge)
	})
	if err != nil {
		t.Fatal(err)
	}
	after := eventRecord(schema.Event{UserID: "after", ItemID: "i", Timestamp: start})
	if err := producer.ProduceSync(b.ctx, &kgo.Record{Topic: b.cfg.Topic, Key: after.Key, Value: after.Value}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c := b.consume()
	b.committed(b.cfg.Topic)
	if w, err := b.windows().Window(b.ctx, "after"); err != nil || len(w.Entries) != 1 {
		t.Errorf("the event after it: %+v, %v", w, err)
	}
	dead := b.readAll(b.cfg.DeadLetterTopic)
	if len(dead) != 1 || dead[0].Headers[HeaderCut] != fmt.Sprintf("1, %d", size) {
		t.Errorf("%d dead letters, want one that says how much was cut", len(dead))
	}
	if err := c.halt(); err != nil {
		t.Error(err)
	}
}
