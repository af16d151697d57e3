package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/softrec/softrec/ingest/retry"
)

// Sizes of what one produce request may carry for one partition. kafka-go reserves room for batchRecords with every
// batch it opens, so more of them makes single records dear; the bytes stay below Kafka's default max.message.bytes.
const (
	batchRecords = 256
	batchBytes   = 1_000_000
)

// MaxRecordBytes is the most that key, value and headers of one published record may take together, in bytes.
const MaxRecordBytes = batchBytes - 1024

// ErrRecordTooLarge says that a record is larger than MaxRecordBytes. Retrying does not help.
var ErrRecordTooLarge = errors.New("record too large")

// TooLarge reports whether err says that a record, or records that travelled together, are larger than what the producer, the topic or the
// broker takes. Fewer or smaller ones may go through.
func TooLarge(err error) bool {
	return errors.Is(err, ErrRecordTooLarge) || errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge)
}

// Producer publishes records. It is safe for concurrent use, and made to be shared: records of concurrent calls travel
// together.
type Producer struct {
	writer    *kafka.Writer
	transport *kafka.Transport
	policy    retry.Policy
	explain   func(error) error
	outage    *outage
	metrics   *producerMetrics
}

// NewProducer returns a Producer; nothing is connected before the first Publish.
func NewProducer(cfg Config, opts ...Option) (*Producer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o := newOptions(opts)
	t := cfg.transport()
	policy := forever()
	policy.MaxElapsed = cfg.PublishTimeout
	return &Producer{
		writer: &kafka.Writer{
			Addr:         kafka.TCP(cfg.Brokers...),
			Balancer:     kafka.Murmur2Balancer{}, // as Java clients: whoever sends, one user stays in one partition
			MaxAttempts:  1,                       // retries are ours, with one policy
			BatchSize:    batchRecords,
			BatchBytes:   batchBytes,
			BatchTimeout: cfg.BatchTimeout, // kafka-go's default of 1 s would delay every small publish
			ReadTimeout:  cfg.RequestTimeout,
			WriteTimeout: cfg.RequestTimeout,
			RequiredAcks: kafka.RequireAll,
			Compression:  codecs[cfg.Compression],
			Transport:    t,
			ErrorLogger:  libraryLog(o.log),
		},
		transport: t,
		policy:    policy,
		explain:   cfg.explain,
		outage:    newOutage(o.log, cfg.explain),
		metrics:   newProducerMetrics(o.reg),
	}, nil
}

// Publish writes recs to topic and returns when all in-sync replicas have them. Records of one key keep their order
// between calls that follow one another, and within a call unless a part of it had to be sent again. An error means that some records may not have been written;
// after a retry, or when ctx ends while a request is under way, some may have been written twice or after all.
func (p *Producer) Publish(ctx context.Context, topic string, recs ...Record) error {
	if len(recs) == 0 {
		return nil
	}
	now := time.Now()
	msgs := make([]kafka.Message, len(recs))
	for i, r := range recs {
		if n := recordBytes(r); n > MaxRecordBytes {
			return fmt.Errorf("publish to %q: record %d of %d bytes: %w, at most %d are allowed", topic, i, n, ErrRecordTooLarge, MaxRecordBytes)
		}
		msgs[i] = toMessage(topic, r, now)
	}
	err := retry.Do(ctx, p.policy, p.notify(topic), func(ctx context.Context) error {
		left, err := p.write(ctx, msgs)
		if err != nil {
			p.metrics.errors.WithLabelValues(topic).Inc()
		}
		msgs = left
		return err
	})
	p.metrics.seconds.Observe(time.Since(now).Seconds())
	if err != nil {
		return fmt.Errorf("publish %d of %d records to %q: %w", len(msgs), len(recs), topic, p.explain(err))
	}
	p.metrics.records.WithLabelValues(topic).Add(float64(len(recs)))
	return nil
}

// write sends msgs once and returns those that were not acknowledged, with the first reason: the next attempt sends no
// more than these.
func (p *Producer) write(ctx context.Context, msgs []kafka.Message) ([]kafka.Message, error) {
	err := p.writer.WriteMessages(ctx, msgs...)
	var each kafka.WriteErrors
	if !errors.As(err, &each) {
		if err != nil {
			return msgs, passing(err)
		}
		return nil, nil
	}
	var left []kafka.Message
	var first error
	for i, err := range each {
		if err == nil {
			continue
		}
		left, err = append(left, msgs[i]), passing(err)
		if first == nil || retry.Retryable(first) { // a fault that no retry cures decides
			first = err
		}
	}
	return left, first
}

// passing calls temporary what another try may cure and kafka-go does not call so. Unknown is what the embedded broker answers while it
// cannot write its disk, and any broker to a fault of its own that has no name. The records are not written, or may be: events are told
// apart by their ids.
func passing(err error) error {
	if errors.Is(err, kafka.Unknown) {
		return &temporaryError{err}
	}
	return leaderless(err)
}

// leaderless gives kafka-go's own word for a partition without a leader, which it finds in its copy of the metadata and does not call
// temporary, the broker's: a leader is elected in a moment.
func leaderless(err error) error {
	if errors.Is(err, protocol.ErrNoLeader) {
		return fmt.Errorf("%w: %w", kafka.LeaderNotAvailable, err)
	}
	return err
}

func (p *Producer) notify(topic string) func(error, time.Duration) {
	return func(err error, wait time.Duration) {
		p.outage.warn("publish again", err, "topic", topic, "wait", wait)
	}
}

// Close sends what is under way and closes the connections. Publish must not be called any more.
func (p *Producer) Close() error {
	err := p.writer.Close()
	p.transport.CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("close producer: %w", err)
	}
	return nil
}

func recordBytes(r Record) int {
	n := len(r.Key) + len(r.Value)
	for k, v := range r.Headers {
		n += len(k) + len(v) + 10 // and their two lengths
	}
	return n
}
