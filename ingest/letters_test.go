package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// anybody's letters may be sent again.
func anybody(context.Context, schema.DeadLetter, schema.LetterSubject) error { return nil }

// Who sends a letter again is asked first, with whom its record is of, which is looked for in the whole record; topics may have any names.
func TestLetters_asksWhoseTheyAre(t *testing.T) {
	b := newBench(t, "")
	b.cfg.ItemsTopic = "shop.items"
	producer := b.producer()
	long := `{"page":"` + strings.Repeat("x", 2*schema.MaxShownLetter) + `",`
	for _, c := range []struct {
		about, topic, key, value string
		want                     schema.LetterSubject
	}{
		{"named by its value", b.cfg.Topic, "other", `{"item_id":"i","user_id":"u","timestamp":1}`, schema.LetterSubject{Users: []string{"u"}}},
		{"named far behind what is shown, twice", b.cfg.Topic, "", long + `"user_id":"u","x":{"user_id":"no"},"user_id":"v"}`, schema.LetterSubject{Users: []string{"u", "v"}}},
		{"cut off", b.cfg.Topic, "other", `{"user_id":"u","item_id`, schema.LetterSubject{Users: []string{"u"}}},
		{"as an old client spells it", b.cfg.Topic, "", `{"User_ID":"u"}`, schema.LetterSubject{Users: []string{"u"}}},
		{"named by its key alone", b.cfg.Topic, "u", `[1`, schema.LetterSubject{Users: []string{"u"}}},
		{"not by a number", b.cfg.Topic, "u", `{"user_id":7}`, schema.LetterSubject{Users: []string{"u"}}},
		{"of the catalogue", "shop.items", "i", `{"user_id":"u","title":7}`, schema.LetterSubject{Item: "i"}},
	} {
		letter := poison{broker.Record{Topic: c.topic, Key: []byte(c.key), Value: []byte(c.value)}, errors.New("is wrong")}.letter()
		if err := producer.Publish(b.ctx, b.cfg.DeadLetterTopic, letter); err != nil {
			t.Fatal(err)
		}
		l := NewLetters(b.kafka, b.cfg, producer)
		all, err := l.Newest(b.ctx, 1)
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %d letters, %v", c.about, len(all), err)
		}
		before, refusal := len(b.readAll(b.cfg.Topic)), errors.New("forgotten")
		_, err = l.Replay(b.ctx, all[0].Partition, all[0].Offset, func(_ context.Context, d schema.DeadLetter, of schema.LetterSubject) error {
			if !cmp.Equal(of, c.want) || d.Topic != c.topic || d.ValueBytes != len(c.value) {
				t.Errorf("%s: asked for %+v of %q, want %+v", c.about, of, d.Topic, c.want)
			}
			return refusal
		})
		if !errors.Is(err, refusal) || len(b.readAll(b.cfg.Topic)) != before {
			t.Errorf("%s: %v, or it was sent", c.about, err)
		}
	}
}

// What was set aside is shown newest first with its first bytes, and goes again byte for byte to where it came from. The one
// that is still no event is set aside once more.
func TestLetters_listAndReplay(t *testing.T) {
	b := newBench(t, "")
	c := b.consume()
	raw := append([]byte("not json\x00\xff"), bytes.Repeat([]byte("x"), 3*schema.MaxShownLetter)...)
	for i := range 3 {
		b.publish(broker.Record{Key: []byte("u"), Value: append([]byte(fmt.Sprint(i)), raw...)})
	}
	b.committed(b.cfg.Topic)
	producer := b.producer()
	l := NewLetters(b.kafka, b.cfg, producer)
	all, err := l.Newest(b.ctx, 2)
	if err != nil || len(all) != 2 {
		t.Fatalf("%d letters, %v, want 2", len(all), err)
	}
	d := all[0]
	if !d.Replayable || d.Offset <= all[1].Offset && d.At.Equal(all[1].At) || d.Topic != b.cfg.Topic || !strings.Contains(d.Reason, "JSON") || d.FromOffset < 0 ||
		len(d.Value) != schema.MaxShownLetter || d.ValueBytes != len(raw)+1 || string(d.Key) != "u" {
		t.Errorf("the newest is %+v", d)
	}
	if _, err := l.Replay(b.ctx, d.Partition, d.Offset, anybody); err != nil {
		t.Fatal(err)
	}
	b.eventually("it is set aside again", func() bool { return len(b.readAll(b.cfg.DeadLetterTopic)) == 4 })
	if err := c.halt(); err != nil {
		t.Fatal(err)
	}
	var again []broker.Record
	for _, r := range b.readAll(b.cfg.Topic) {
		if r.Headers[HeaderReplay] != "" {
			again = append(again, r)
		}
	}
	if len(again) != 1 || !bytes.HasPrefix(again[0].Value[1:], raw) || len(again[0].Value) != len(raw)+1 || again[0].Headers[HeaderReplay] != fmt.Sprintf("%d/%d", d.Partition, d.Offset) {
		t.Errorf("%d records came again, want the one that was replayed as it was", len(again))
	}
	if _, err := l.Replay(b.ctx, 0, 1<<40, anybody); !errors.Is(err, schema.ErrNoDeadLetter) {
		t.Errorf("past the end: %v", err)
	}
	if _, err := l.Replay(b.ctx, 77, 0, anybody); !errors.Is(err, schema.ErrNoDeadLetter) {
		t.Errorf("another partition: %v", err)
	}
}

// An impression that was set aside goes back to the topic of the impressions, which ingest reads too.
func TestLetters_replaysImpressions(t *testing.T) {
	b := newBench(t, "")
	topic := b.cfg.Topic + "-impressions"
	if err := broker.EnsureTopics(b.ctx, b.kafka, broker.TopicSpec{Name: topic, Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	producer := b.producer()
	letter := poison{broker.Record{Topic: topic, Key: []byte("u"), Value: []byte("no impression")}, errors.New("is no JSON")}.letter()
	if err := producer.Publish(b.ctx, b.cfg.DeadLetterTopic, letter); err != nil {
		t.Fatal(err)
	}
	l := NewLetters(b.kafka, b.cfg, producer, topic)
	all, err := l.Newest(b.ctx, 10)
	if err != nil || len(all) != 1 || !all[0].Replayable {
		t.Fatalf("letters %+v, %v, want one that can be replayed", all, err)
	}
	if _, err := l.Replay(b.ctx, all[0].Partition, all[0].Offset, anybody); err != nil {
		t.Fatal(err)
	}
	if got := b.readAll(topic); len(got) != 1 || string(got[0].Value) != "no impression" || string(got[0].Key) != "u" {
		t.Errorf("the topic has %v", got)
	}
}

// Letters that were cut, or that somebody else wrote, are shown and not sent anywhere.
func TestLetters_refuses(t *testing.T) {
	b := newBench(t, "")
	producer := b.producer()
	foreign := broker.Record{Key: []byte("k"), Value: []byte("v"), Headers: map[string]string{HeaderTopic: "payments", HeaderPartition: "x"}}
	cut := poison{broker.Record{Topic: b.cfg.Topic, Value: make([]byte, maxDeadValue+1)}, errors.New("too long")}.letter()
	bare := broker.Record{Value: []byte("v")}
	for _, r := range []broker.Record{foreign, cut, bare} {
		if err := producer.Publish(b.ctx, b.cfg.DeadLetterTopic, r); err != nil {
			t.Fatal(err)
		}
	}
	l := NewLetters(b.kafka, b.cfg, producer)
	all, err := l.Newest(b.ctx, 10)
	if err != nil || len(all) != 3 {
		t.Fatalf("%d letters, %v", len(all), err)
	}
	for _, d := range all {
		if _, err := l.Replay(b.ctx, d.Partition, d.Offset, anybody); d.Replayable || !errors.Is(err, schema.ErrNotReplayable) {
			t.Errorf("%+v: %v", d.Reason, err)
		}
		if d.Topic == "payments" && (d.From != -1 || d.FromOffset != -1 || time.Since(d.At) > time.Hour) {
			t.Errorf("a letter of somebody else: %+v", d)
		}
	}
}
