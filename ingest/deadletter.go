package ingest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/ingest/tracing"
)

// Headers of a dead letter. Key and value are those of the record, byte for byte, unless HeaderCut is there.
const (
	HeaderReason    = "reason"    // why it could not be used
	HeaderTopic     = "topic"     // where it stood
	HeaderPartition = "partition" // where it stood
	HeaderOffset    = "offset"    // where it stood
	HeaderTime      = "time"      // of the record, RFC 3339
	HeaderCut       = "cut"       // "key bytes, value bytes" of a record too large to be set aside whole
)

// Bounds of a dead letter: together with the headers below what a broker accepts by default.
const (
	maxDeadKey    = 64 << 10
	maxDeadValue  = 896 << 10
	maxDeadReason = 2 << 10
	maxDeadTrace  = 512
)

// poison is a record that cannot be used.
type poison struct {
	rec    broker.Record
	reason error
}

// letter is the record that sets p aside.
func (p poison) letter() broker.Record { return p.letterOf(maxDeadValue) }

// letterOf is a letter with most bytes of key and of value at most.
func (p poison) letterOf(most int) broker.Record {
	mostKey, mostValue := min(most, maxDeadKey), min(most, maxDeadValue)
	r := broker.Record{
		Key: p.rec.Key, Value: p.rec.Value,
		Headers: map[string]string{
			HeaderReason:    cut(p.reason.Error(), maxDeadReason),
			HeaderTopic:     p.rec.Topic,
			HeaderPartition: strconv.Itoa(p.rec.Partition),
			HeaderOffset:    strconv.FormatInt(p.rec.KafkaOffset(), 10),
			HeaderTime:      p.rec.Time.UTC().Format(time.RFC3339Nano),
		},
	}
	for _, h := range [...]string{tracing.HeaderParent, tracing.HeaderState} {
		if v := p.rec.Headers[h]; v != "" && len(v) <= maxDeadTrace {
			r.Headers[h] = v
		}
	}
	if len(r.Key) > mostKey || len(r.Value) > mostValue {
		r.Headers[HeaderCut] = fmt.Sprintf("%d, %d", len(r.Key), len(r.Value))
		r.Key, r.Value = cut(r.Key, mostKey), cut(r.Value, mostValue)
	}
	return r
}

func cut[T ~string | ~[]byte](v T, most int) T {
	if len(v) > most {
		return v[:most]
	}
	return v
}

// setAside publishes the poison of a batch and returns when the broker has it.
func (s *stream) setAside(ctx context.Context, bad []poison) error {
	if len(bad) == 0 {
		return nil
	}
	letters := make([]broker.Record, len(bad))
	for i, p := range bad {
		letters[i] = p.letter()
	}
	first := bad[0] // one line a batch: a topic full of poison must not become a log full of it
	s.opts.log.Warn("records set aside", "records", len(bad), "topic", first.rec.Topic, "partition", first.rec.Partition,
		"offset", first.rec.KafkaOffset(), "reason", cut(first.reason.Error(), maxDeadReason))
	err := s.publishLetters(ctx, letters...)
	if broker.TooLarge(err) { // together, or one of them
		for _, p := range bad {
			if err = s.setAsideCut(ctx, p); err != nil {
				break
			}
		}
	}
	if err != nil {
		return fmt.Errorf("set aside %d records, the first of partition %d at offset %d: %w", len(bad), first.rec.Partition, first.rec.KafkaOffset(), err)
	}
	s.metrics.records.WithLabelValues(outcomeDeadLetter).Add(float64(len(bad)))
	s.counts.dead.Add(int64(len(bad)))
	return nil
}

func (s *stream) publishLetters(ctx context.Context, letters ...broker.Record) error {
	return retry.Do(ctx, s.opts.policy, s.waiting("deadletter"), func(ctx context.Context) error {
		return s.dead.Publish(ctx, s.cfg.DeadLetterTopic, letters...)
	})
}

// setAsideCut publishes as much of p as the topic takes, of halves of halves, down to the headers alone: max.message.bytes may be smaller there
// than where the record stood, and a record that cannot be set aside would be met again after each start.
func (s *stream) setAsideCut(ctx context.Context, p poison) error {
	for most := maxDeadValue; ; {
		l := p.letterOf(most)
		err := s.publishLetters(ctx, l)
		left := max(len(l.Key), len(l.Value))
		if !broker.TooLarge(err) || left == 0 {
			return err
		}
		most = left / 2
	}
}
