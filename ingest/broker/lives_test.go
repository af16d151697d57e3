package broker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// ledger is the lives of topics in memory.
type ledger struct {
	mu  sync.Mutex
	all map[int][]Life
}

func (l *ledger) Lives(context.Context, string) (map[int][]Life, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.all), nil
}

func (l *ledger) Begin(_ context.Context, _ string, partition int, known, next []Life) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[int][]Life{}
	}
	if !slices.Equal(l.all[partition], known) {
		return false, nil
	}
	l.all[partition] = next
	return true, nil
}

func TestPosition(t *testing.T) {
	last := int64(-1)
	for _, c := range []struct {
		life   int
		offset int64
	}{{0, 0}, {0, 7}, {0, 1<<offsetBits - 1}, {1, 0}, {1, 5}, {maxLife, 1<<offsetBits - 1}} {
		p := Position(c.life, c.offset)
		if life, offset := SplitPosition(p); life != c.life || offset != c.offset {
			t.Errorf("position of %+v comes back as %d, %d", c, life, offset)
		}
		if p <= last || p >= 1<<53 {
			t.Errorf("position of %+v is %d, after %d", c, p, last)
		}
		last = p
	}
	if got := behind(Position(0, 900), Position(1, 40)); got != 40 {
		t.Errorf("a reader of an earlier life is %d behind, want 40", got)
	}
	if got := behind(Position(1, 30), Position(1, 40)); got != 10 {
		t.Errorf("%d behind, want 10", got)
	}
}

// What a reader wants next, what the cluster and the ledger have, and what follows.
func TestHistory_resolve(t *testing.T) {
	a0, b0 := Life{Topic: "a"}, Life{Topic: "b"}
	for name, c := range map[string]struct {
		id     string
		lives  []Life
		next   int64
		span   span
		offset int64
		after  []Life
	}{
		"nobody has read it":               {"a", nil, kafka.FirstOffset, span{0, 9}, 0, []Life{a0}},
		"a reader from before lives":       {"a", nil, 5, span{0, 9}, 5, []Life{a0}},
		"before lives, past the end":       {"a", nil, 50, span{0, 9}, 0, []Life{{}, a0}},
		"nothing happened":                 {"a", []Life{a0}, 5, span{2, 9}, 5, []Life{a0}},
		"made anew":                        {"b", []Life{a0}, 5, span{0, 9}, 0, []Life{a0, b0}},
		"made anew, noticed by another":    {"b", []Life{a0, b0}, 5, span{1, 9}, 1, []Life{a0, b0}},
		"made anew, read on":               {"b", []Life{a0, b0}, Position(1, 5), span{0, 9}, 5, []Life{a0, b0}},
		"the end is lost":                  {"a", []Life{a0}, 50, span{0, 9}, 9, []Life{a0, {"a", 9}}},
		"lost, noticed by another":         {"a", []Life{a0, {"a", 9}}, 50, span{0, 30}, 9, []Life{a0, {"a", 9}}},
		"lost, this reader was not so far": {"a", []Life{a0, {"a", 9}}, 4, span{0, 30}, 4, []Life{a0, {"a", 9}}},
		"lost twice":                       {"a", []Life{a0, {"a", 9}}, Position(1, 20), span{0, 4}, 4, []Life{a0, {"a", 9}, {"a", 4}}},
		"a cluster without ids":            {"", []Life{a0}, 5, span{0, 9}, 5, []Life{a0}},
		"the ledger is lost":               {"a", nil, Position(2, 5), span{0, 9}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := &ledger{all: map[int][]Life{0: c.lives}}
			h := &history{topic: "t", ledger: l, opts: newOptions(nil), metrics: newSourceMetrics(newOptions(nil).reg, "t", func() float64 { return 0 }), id: c.id, lives: map[int][]Life{0: c.lives}}
			got, err := h.resolve(t.Context(), 0, c.next, c.span)
			if err != nil {
				t.Fatal(err)
			}
			if c.after == nil { // whatever it does, what comes next must stand after what was read
				if p := h.position(0, got); p < c.next && h.position(0, c.span.end) < c.next {
					t.Errorf("reads on at position %d, had read up to %d", p, c.next)
				}
				return
			}
			if got != c.offset || !slices.Equal(l.all[0], c.after) {
				t.Errorf("reads on at %d with %v, want %d with %v", got, l.all[0], c.offset, c.after)
			}
			if c.next >= 0 && h.position(0, got) < c.next && c.id != "" && got != c.offset {
				t.Errorf("position %d after %d", h.position(0, got), c.next)
			}
		})
	}
}

// A reader that keeps positions, as the trainer does, sees them grow through the topic's second life, at work and after a restart.
func TestPartitionSource_topicMadeAnew(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 2)
	ctx := within(t, time.Minute)
	lives := &ledger{}
	s, err := NewPartitionSource(cfg, name, nil, WithLives(lives))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	next, seen := map[int]int64{}, map[string]bool{}
	read := func(n int) {
		t.Helper()
		for _, r := range fetchN(t, s, n) {
			if r.Offset < next[r.Partition] {
				t.Fatalf("partition %d: position %d after %d", r.Partition, r.Offset, next[r.Partition]-1)
			}
			next[r.Partition] = r.Offset + 1
			seen[string(r.Value)] = true
		}
	}
	if err := producer(t, cfg).Publish(ctx, name, numbered(0, 200, 20)...); err != nil {
		t.Fatal(err)
	}
	read(200)
	anew := func() {
		t.Helper()
		if err := DeleteTopics(ctx, cfg, name); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the topic is gone", func() bool {
			return errors.Is(Scan(ctx, cfg, name, func(Record) error { return nil }), kafka.UnknownTopicOrPartition)
		})
		if err := EnsureTopics(ctx, cfg, TopicSpec{Name: name, Partitions: 2}); err != nil {
			t.Fatal(err)
		}
	}
	anew()
	if err := producer(t, cfg).Publish(ctx, name, numbered(200, 260, 20)...); err != nil {
		t.Fatal(err)
	}
	read(60)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	anew()
	if err := producer(t, cfg).Publish(ctx, name, numbered(260, 300, 20)...); err != nil {
		t.Fatal(err)
	}
	if s, err = NewPartitionSource(cfg, name, next, WithLives(lives)); err != nil {
		t.Fatal(err)
	}
	read(40)
	if len(seen) != 300 {
		t.Errorf("%d of 300 records were read", len(seen))
	}
	ends, err := s.Ends(ctx)
	if err != nil || !maps.Equal(ends, next) {
		t.Errorf("ends %v, %v; read up to %v", ends, err, next)
	}
}
