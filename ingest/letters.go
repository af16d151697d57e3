package ingest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/tracing"
	"github.com/softrec/softrec/schema"
)

// HeaderReplay is the header of a record that was set aside and sent again: "partition/offset" of its dead letter.
const HeaderReplay = "replay-of"

// maxShownKey is how much of a dead letter's key is shown, in bytes.
const maxShownKey = 256

// Letters reads the dead letters back, and sends their records again.
type Letters struct {
	kafka broker.Config
	cfg   Config
	to    DeadLetters
	read  []string // topics whose records are set aside there, and may go back
}

// NewLetters reads the dead letters that kafka holds and sends records again through to: to the topics of cfg, and to also, others that ingest reads, such as that of the
// impressions.
func NewLetters(kafka broker.Config, cfg Config, to DeadLetters, also ...string) *Letters {
	return &Letters{kafka: kafka, cfg: cfg, to: to, read: append([]string{cfg.Topic, cfg.ItemsTopic}, also...)}
}

// Newest returns up to n dead letters, newest first, each with the first bytes of its record.
func (l *Letters) Newest(ctx context.Context, n int) ([]schema.DeadLetter, error) {
	all, err := broker.Tail(ctx, l.kafka, l.cfg.DeadLetterTopic, n, l.show, func(a, b schema.DeadLetter) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Offset, a.Offset), cmp.Compare(a.Partition, b.Partition))
	})
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	return all, nil
}

// Replay sends the record of one dead letter again to where it came from, byte for byte, and returns when the brokers have it.
// The dead letter stays where it is. Before, it asks may, whose error it returns. schema.ErrNoDeadLetter: nothing stands there;
// schema.ErrNotReplayable: it was cut, or came from a topic that ingest does not read.
func (l *Letters) Replay(ctx context.Context, partition int, offset int64, may func(context.Context, schema.DeadLetter, schema.LetterSubject) error) (schema.DeadLetter, error) {
	fail := func(err error) (schema.DeadLetter, error) {
		return schema.DeadLetter{}, fmt.Errorf("replay the dead letter of partition %d at offset %d: %w", partition, offset, err)
	}
	rec, found, err := broker.At(ctx, l.kafka, l.cfg.DeadLetterTopic, partition, offset)
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return fail(schema.ErrNoDeadLetter)
	}
	d := l.show(rec)
	if !d.Replayable {
		if rec.Headers[HeaderCut] != "" {
			return fail(fmt.Errorf("%w: only its first bytes were kept (%s)", schema.ErrNotReplayable, HeaderCut))
		}
		return fail(fmt.Errorf("%w: its topic %q is none that ingest reads", schema.ErrNotReplayable, d.Topic))
	}
	if err := may(ctx, d, l.subject(d.Topic, rec)); err != nil {
		return fail(err)
	}
	again := broker.Record{Key: rec.Key, Value: rec.Value, Headers: tracing.Inject(ctx, map[string]string{HeaderReplay: fmt.Sprintf("%d/%d", partition, offset)})}
	if err := l.to.Publish(ctx, d.Topic, again); err != nil {
		return fail(err)
	}
	return d, nil
}

// subject is whom or what a record of a topic is of.
func (l *Letters) subject(topic string, rec broker.Record) schema.LetterSubject {
	if topic == l.cfg.ItemsTopic {
		return schema.LetterSubject{Item: string(rec.Key)}
	}
	users := usersNamed(rec.Value)
	if len(users) == 0 {
		users = []string{string(rec.Key)}
	}
	return schema.LetterSubject{Users: users}
}

// usersNamed are the users that a JSON object names, also where it ends too early or has the name more than once.
func usersNamed(value []byte) (ids []string) {
	dec := json.NewDecoder(bytes.NewReader(value))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return ids
		}
		var value any
		if dec.Decode(&value) != nil {
			return ids
		}
		if id, is := value.(string); is && strings.EqualFold(name.(string), "user_id") {
			ids = append(ids, id)
		}
	}
	return ids
}

// show is what an operator is shown of a record of the dead-letter topic. Anybody may write there: nothing in it is believed.
func (l *Letters) show(r broker.Record) schema.DeadLetter {
	d := schema.DeadLetter{
		Partition: r.Partition, Offset: r.Offset, At: r.Time.UTC(), Reason: cut(r.Headers[HeaderReason], maxDeadReason), Topic: cut(r.Headers[HeaderTopic], maxShownKey),
		From: -1, FromOffset: -1, KeyBytes: len(r.Key), ValueBytes: len(r.Value),
		Key: append([]byte{}, cut(r.Key, maxShownKey)...), Value: append([]byte{}, cut(r.Value, schema.MaxShownLetter)...),
	}
	if p, err := strconv.Atoi(r.Headers[HeaderPartition]); err == nil {
		d.From = p
	}
	if o, err := strconv.ParseInt(r.Headers[HeaderOffset], 10, 64); err == nil {
		d.FromOffset = o
	}
	d.Replayable = r.Headers[HeaderCut] == "" && slices.Contains(l.read, d.Topic)
	return d
}
