package broker

import (
	"errors"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"
)

// A scan gives every record once, in order, and ends where the topic ended when it began.
func TestScan(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 3)
	const n = 500
	if err := producer(t, cfg).Publish(within(t, 20e9), name, numbered(0, n, 17)...); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	next, seen := map[int]int64{}, 0
	err := Scan(within(t, 20e9), cfg, name, func(r Record) error {
		mu.Lock()
		defer mu.Unlock()
		if r.Offset != next[r.Partition] {
			t.Errorf("partition %d: offset %d, want %d", r.Partition, r.Offset, next[r.Partition])
		}
		next[r.Partition], seen = r.Offset+1, seen+1
		return nil
	})
	if err != nil || seen != n {
		t.Errorf("%d records of %d, error %v", seen, n, err)
	}
	stop := errors.New("stop")
	if err := Scan(within(t, 20e9), cfg, name, func(Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the error of the function came out as %v", err)
	}
}

// A scan since a moment begins with the first record that was written then, and finds nothing after the newest.
func TestScanSince(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 1)
	p := producer(t, cfg)
	var at []time.Time
	for i := range 3 {
		if err := p.Publish(within(t, 20e9), name, numbered(i*10, i*10+10, 1)...); err != nil {
			t.Fatal(err)
		}
		first := true
		if err := Scan(within(t, 20e9), cfg, name, func(r Record) error {
			if r.Offset == int64(i*10) && first {
				at, first = append(at, r.Time), false
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for newest := at[i]; !time.Now().After(newest.Add(20 * time.Millisecond)); {
			runtime.Gosched() // the next ones are of another millisecond
		}
	}
	for i, since := range append(at, time.Now().Add(time.Hour)) {
		n, least := 0, int64(math.MaxInt64)
		if err := ScanSince(within(t, 20e9), cfg, name, since, func(r Record) error {
			n, least = n+1, min(least, r.Offset)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if want := 30 - 10*i; n != want || n > 0 && least != int64(10*i) {
			t.Errorf("since %s: %d records from offset %d on, want %d", since, n, least, want)
		}
	}
}

// Members shows who has which partitions, and nobody for a group that does not exist; a deleted topic can be made anew.
func TestMembers(t *testing.T) {
	cfg, _ := cluster(t)
	name := topic(t, cfg, 4)
	ctx := within(t, 20e9)
	if err := producer(t, cfg).Publish(ctx, name, numbered(0, 1, 1)...); err != nil {
		t.Fatal(err)
	}
	fetchN(t, group(t, cfg, name, name+"-g"), 1)
	m, err := Members(ctx, cfg, name+"-g", name)
	if err != nil || len(m) != 1 {
		t.Fatalf("members %v, error %v", m, err)
	}
	for _, parts := range m {
		if len(parts) != 4 || parts[0] != 0 || parts[3] != 3 {
			t.Errorf("partitions %v, want 0 to 3", parts)
		}
	}
	if m, err := Members(ctx, cfg, name+"-nobody", name); err != nil || len(m) != 0 { // now that there are groups at all
		t.Errorf("a group nobody knows: %v, error %v", m, err)
	}
	if err := DeleteTopics(ctx, cfg, name, name+"-never-was"); err != nil {
		t.Error(err)
	}
}
