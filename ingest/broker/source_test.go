package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

func TestGroupSource_resumesAtTheCommit(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 2)
	p := producer(t, cfg)
	ctx := within(t, 30*time.Second)
	if err := p.Publish(ctx, name, numbered(0, 100, 10)...); err != nil {
		t.Fatal(err)
	}
	s := group(t, cfg, name, name+"-g")
	recs := fetchN(t, s, 100)
	if err := s.Commit(ctx, recs[:60]); err != nil {
		t.Fatal(err)
	}
	committed := map[int]int64{}
	for _, r := range recs[:60] {
		committed[r.Partition] = r.Offset + 1
	}
	lag, err := Lag(ctx, cfg, name+"-g", name)
	if err != nil || lag[0]+lag[1] != 40 {
		t.Errorf("lag %v, %v; want 40 in all", lag, err)
	}
	if own, err := s.Lag(ctx); err != nil || own[0]+own[1] != 0 {
		t.Errorf("own lag %v, %v; everything was fetched", own, err)
	}
	if err := s.Commit(ctx, recs[:10]); err != nil { // must not move the offset back
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Fetch(ctx, 1, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("fetch after close: %v", err)
	}
	seen := map[int]int64{}
	for _, r := range fetchN(t, group(t, cfg, name, name+"-g"), 40) {
		if _, ok := seen[r.Partition]; !ok && r.Offset != committed[r.Partition] {
			t.Errorf("partition %d resumes at %d, committed %d", r.Partition, r.Offset, committed[r.Partition])
		}
		seen[r.Partition] = r.Offset
	}
}

// Two members share the partitions, and when one leaves the other takes over without loss. No record that was committed
// comes again.
func TestGroupSource_rebalance(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 4)
	p := producer(t, cfg)
	ctx := within(t, 30*time.Second)
	const total = 3000
	var mu sync.Mutex
	seen := map[string]int{}    // value -> times
	owner := map[int]string{}   // partition -> last reader
	readers := map[string]int{} // reader -> records
	consume := func(ctx context.Context, who string, s *GroupSource) {
		for {
			recs, err := s.Fetch(ctx, 50, time.Millisecond)
			if err != nil {
				return
			}
			mu.Lock()
			for _, r := range recs {
				seen[string(r.Value)]++
				owner[r.Partition] = who
				readers[who]++
			}
			mu.Unlock()
			if err := s.Commit(ctx, recs); err != nil {
				t.Log("commit:", err)
			}
		}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	a := group(t, cfg, name, name+"-g")
	b := group(t, cfg, name, name+"-g")
	actx, stopA := context.WithCancel(ctx)
	bctx, stopB := context.WithCancel(ctx)
	defer stopA()
	defer stopB()
	wg.Go(func() { consume(actx, "a", a) })
	wg.Go(func() { consume(bctx, "b", b) })
	missing := func() (n int) { // seen has what publishMore sent, too
		mu.Lock()
		defer mu.Unlock()
		for i := range total {
			if seen[strconv.Itoa(i)] == 0 {
				n++
			}
		}
		return n
	}
	for i := 0; i < total; i += 100 {
		if err := p.Publish(ctx, name, numbered(i, i+100, 40)...); err != nil {
			t.Fatal(err)
		}
		if i == 1500 {
			eventually(t, "both read", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return readers["a"] > 0 && readers["b"] > 0 || publishMore(ctx, t, p, name)
			})
			stopB()
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "no record is lost", func() bool { return missing() == 0 })
	stopA()
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	for p, who := range owner {
		if who != "a" {
			t.Errorf("partition %d was last read by %s, which left", p, who)
		}
	}
}

// publishMore keeps traffic on all partitions while a test waits for a rebalance.
func publishMore(ctx context.Context, t *testing.T, p *Producer, name string) bool {
	if err := p.Publish(ctx, name, numbered(1_000_000, 1_000_040, 40)...); err != nil {
		t.Error(err)
	}
	return false
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 15s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestPartitionSource(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 3)
	p := producer(t, cfg)
	ctx := within(t, 30*time.Second)
	if err := p.Publish(ctx, name, numbered(0, 300, 30)...); err != nil {
		t.Fatal(err)
	}
	whole, err := NewPartitionSource(cfg, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	ends, err := whole.Ends(ctx)
	if err != nil || ends[0]+ends[1]+ends[2] != 300 {
		t.Fatalf("ends %v, %v", ends, err)
	}
	next := map[int]int64{}
	for _, r := range fetchN(t, whole, 300) {
		if r.Offset != next[r.Partition] {
			t.Fatalf("partition %d: offset %d, want %d", r.Partition, r.Offset, next[r.Partition])
		}
		next[r.Partition]++
	}
	if !maps.Equal(next, ends) {
		t.Errorf("read up to %v, ends %v", next, ends)
	}
	from := map[int]int64{0: ends[0] / 2, 1: ends[1]}
	part, err := NewPartitionSource(cfg, name, from)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	want := int(ends[0] - from[0] + ends[2])
	first := map[int]int64{}
	for _, r := range fetchN(t, part, want) {
		if _, ok := first[r.Partition]; !ok {
			first[r.Partition] = r.Offset
		}
	}
	if first[0] != from[0] || first[2] != 0 {
		t.Errorf("started at %v, asked for %v", first, from)
	}
	if err := p.Publish(ctx, name, Record{Key: []byte("more"), Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	if r := fetchN(t, part, 1)[0]; string(r.Key) != "more" {
		t.Errorf("new record came as %+v", r)
	}
}

func TestPartitionSource_newPartitions(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 1)
	ctx := within(t, 30*time.Second)
	s, err := NewPartitionSource(cfg, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client := cfg.client(cfg.transport())
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	if _, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: name, Count: 3}}}); err != nil {
		t.Fatal(err)
	}
	p := producer(t, cfg)
	eventually(t, "the new partitions are known", func() bool {
		ends, err := s.Ends(ctx)
		return err == nil && len(ends) == 3
	})
	if err := p.Publish(ctx, name, numbered(0, 60, 60)...); err != nil {
		t.Fatal(err)
	}
	parts := map[int]bool{}
	for _, r := range fetchN(t, s, 60) {
		parts[r.Partition] = true
	}
	if len(parts) != 3 {
		t.Errorf("records came from partitions %v", parts)
	}
}

// Offsets that retention deleted, or that a topic never had, restart at the first record there is, and are counted.
func TestPartitionSource_resetsOutOfRange(t *testing.T) {
	cfg, c := cluster(t)
	if c == nil {
		t.Skip("deletes records by kfake's own means")
	}
	name := topic(t, cfg, 1, func(s *TopicSpec) { s.Retention = time.Hour })
	p := producer(t, cfg)
	ctx := within(t, 30*time.Second)
	old := numbered(0, 50, 1)
	for i := range old {
		old[i].Time = time.Now().Add(-2 * time.Hour)
	}
	if err := p.Publish(ctx, name, old...); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(ctx, name, numbered(50, 60, 1)...); err != nil {
		t.Fatal(err)
	}
	c.ApplyRetention()
	for _, from := range []int64{3, 1000} {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			s, err := NewPartitionSource(cfg, name, map[int]int64{0: from})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r := fetchN(t, s, 1)[0]
			if r.Offset == 3 || r.Offset > 50 {
				t.Errorf("first record has offset %d", r.Offset)
			}
			for next, want := range map[int64]int64{0: 60 - r.Offset, 3: 60 - r.Offset, 59: 1, 60: 0, 1000: 0} { // what is gone is no lag
				if lag, err := s.Lag(ctx, map[int]int64{0: next}); err != nil || len(lag) != 1 || lag[0] != want {
					t.Errorf("lag from %d: %v, %v, want %d", next, lag, err, want)
				}
			}
		})
	}
}

// A broker that cannot be reached makes Fetch wait, and one that comes back is used again by the same source.
func TestGroupSource_survivesABrokerThatIsAway(t *testing.T) {
	cfg, c := cluster(t)
	if c == nil {
		t.Skip("cuts the way to the broker")
	}
	name := topic(t, cfg, 2)
	p := producer(t, cfg)
	ctx := within(t, 40*time.Second)
	if err := p.Publish(ctx, name, numbered(0, 20, 10)...); err != nil {
		t.Fatal(err)
	}
	s := group(t, cfg, name, name+"-g")
	fetchN(t, s, 20)
	// kfake answers nothing for a while: every request of the source is dropped with its connection.
	cut := cutConnections(t, c)
	time.Sleep(300 * time.Millisecond) // the fault itself, not a wait for a condition
	cut()
	if err := p.Publish(ctx, name, numbered(20, 40, 10)...); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	eventually(t, "the new records", func() bool {
		recs, err := s.Fetch(ctx, 100, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			got[string(r.Value)] = true
		}
		for i := 20; i < 40; i++ {
			if !got[strconv.Itoa(i)] {
				return false
			}
		}
		return true
	})
}

func TestFetch_endsWithItsContext(t *testing.T) {
	cfg, _ := cluster(t)
	s := group(t, cfg, topic(t, cfg, 1), "g-"+t.Name())
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Fetch(ctx, 10, time.Second); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// Of a partition whose records are all gone nothing can be waited for.
func TestGroupSource_HeldEnds(t *testing.T) {
	cfg, c := cluster(t)
	if c == nil {
		t.Skip("deletes records by kfake's own means")
	}
	name := topic(t, cfg, 1, func(s *TopicSpec) { s.Retention = time.Hour })
	p, ctx := producer(t, cfg), within(t, 30*time.Second)
	s := group(t, cfg, name, name+"-g")
	old := numbered(0, 50, 1)
	for i := range old {
		old[i].Time = time.Now().Add(-2 * time.Hour)
	}
	want := func(what string, all, held map[int]int64) {
		t.Helper()
		ends, err := s.Ends(ctx)
		if err != nil || !maps.Equal(ends, all) {
			t.Errorf("%s: ends %v, %v; want %v", what, ends, err, all)
		}
		if ends, err = s.HeldEnds(ctx); err != nil || !maps.Equal(ends, held) {
			t.Errorf("%s: of those that hold records %v, %v; want %v", what, ends, err, held)
		}
	}
	want("at first", map[int]int64{0: 0}, map[int]int64{})
	if err := p.Publish(ctx, name, old...); err != nil {
		t.Fatal(err)
	}
	want("with records", map[int]int64{0: 50}, map[int]int64{0: 50})
	c.ApplyRetention()
	want("with none any more", map[int]int64{0: 50}, map[int]int64{})
	if err := p.Publish(ctx, name, numbered(50, 60, 1)...); err != nil {
		t.Fatal(err)
	}
	want("with others", map[int]int64{0: 60}, map[int]int64{0: 60})
}
