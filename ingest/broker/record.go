package broker

import (
	"time"

	"github.com/segmentio/kafka-go"
)

// Record is one Kafka record. Partition and Offset are set on records that were read and ignored when publishing.
type Record struct {
	Topic     string
	Partition int
	Offset    int64 // a Position: Kafka's offset but for topics that were made anew or have lost their end
	Key       []byte
	Value     []byte            // nil is a tombstone; an empty value reads as nil too
	Time      time.Time         // of the record, whole milliseconds; zero when publishing means now
	Headers   map[string]string // of several headers with one name the last is kept
}

// toMessage leaves the topic to the caller's choice and sorts nothing: Kafka keeps headers as they come.
func toMessage(topic string, r Record, now time.Time) kafka.Message {
	m := kafka.Message{Topic: topic, Key: r.Key, Value: r.Value, Time: r.Time}
	if m.Time.IsZero() {
		m.Time = now
	}
	for k, v := range r.Headers {
		m.Headers = append(m.Headers, kafka.Header{Key: k, Value: []byte(v)})
	}
	return m
}

func fromMessage(m kafka.Message) Record {
	r := Record{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Key: m.Key, Value: m.Value, Time: m.Time}
	if len(m.Headers) > 0 {
		r.Headers = make(map[string]string, len(m.Headers))
		for _, h := range m.Headers {
			r.Headers[h.Key] = string(h.Value)
		}
	}
	return r
}
