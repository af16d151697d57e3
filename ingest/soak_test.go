package ingest

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// soakFor makes TestSoak a soak: a duration such as 10m.
const soakFor = "TEST_SOAK"

// gauge counts the records between the source and the windows.
type gauge struct {
	Source
	Windows
	fetched, applied, most atomic.Int64
}

func (g *gauge) Fetch(ctx context.Context, max int, wait time.Duration) ([]broker.Record, error) {
	recs, err := g.Source.Fetch(ctx, max, wait)
	held := g.fetched.Add(int64(len(recs))) - g.applied.Load()
	for old := g.most.Load(); held > old && !g.most.CompareAndSwap(old, held); old = g.most.Load() {
	}
	return recs, err
}

func (g *gauge) Apply(ctx context.Context, batch []window.UserBatch) (window.Outcome, error) {
	out, err := g.Windows.Apply(ctx, batch)
	if err == nil {
		g.applied.Add(int64(out.Total()))
	}
	return out, err
}

// slowConn lets answers through one at a time, each after a pause: a Redis that is slower than what Kafka brings.
type slowConn struct {
	net.Conn
	pause time.Duration
	gate  *sync.Mutex
}

func (c slowConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b[:min(len(b), 4096)])
	c.gate.Lock()
	time.Sleep(c.pause)
	c.gate.Unlock()
	return n, err
}

// TestSoak holds that a Redis that is slower than Kafka slows the reading and grows nothing: at no moment are more records in the
// process than its batches may hold, whatever waits in Kafka, and in the end all are applied. With TEST_SOAK=10m it goes on
// for so long at a rate above what Redis takes, and holds the resident memory of the process flat.
func TestSoak(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv(soakFor))
	if err != nil && os.Getenv(soakFor) != "" {
		t.Fatalf("%s: %v", soakFor, err)
	}
	dir := ""
	if long > 0 && os.Getenv("TEST_KAFKA") == "" {
		dir = t.TempDir() // the log belongs on the disk, or it would be what grows
	}
	b := newBench(t, dir)
	if long > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*long+5*time.Minute)
		t.Cleanup(cancel)
		b.ctx = ctx
	}
	b.cfg.MaxRecords, b.kafka.QueueCapacity = 200, 500
	gate := new(sync.Mutex)
	pause := 2 * time.Millisecond
	slow := b.openRedis(func(o *redis.UniversalOptions) {
		o.ReadTimeout = time.Minute
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return slowConn{c, pause, gate}, err
		}
	})
	win, err := window.New(slow, b.keys, b.rules)
	if err != nil {
		t.Fatal(err)
	}
	g := &gauge{Source: b.source(b.cfg.Topic), Windows: win}
	// What lanes have in hand and in their inbox, what waits to be acknowledged, and what is being handed on.
	bound := int64(b.cfg.MaxRecords * (ahead + 2 + 2*b.cfg.Lanes))

	p := b.producer() // one for all: hundreds of them would be what grows
	const users, short = 2000, 6000
	sent := 0
	send := func(n int) {
		recs := make([]broker.Record, n)
		for i := range recs {
			recs[i] = eventRecord(schema.Event{EventID: "s" + strconv.Itoa(sent), UserID: "u" + strconv.Itoa(sent*7919%users),
				ItemID: "i" + strconv.Itoa(sent%500), Timestamp: start.Add(time.Duration(sent) * time.Millisecond)})
			sent++
		}
		if err := p.Publish(b.ctx, b.cfg.Topic, recs...); err != nil {
			t.Fatal(err)
		}
	}
	if long == 0 {
		for sent < short {
			send(1000)
		}
	}
	c := b.consumeFrom(g, g)
	if long > 0 {
		soak(t, long, g, send)
	}
	b.eventually("everything is applied", func() bool { return g.applied.Load() >= int64(sent) })
	if most := g.most.Load(); most > bound || most < int64(b.cfg.MaxRecords) {
		t.Errorf("up to %d records were under way, want %d (a whole batch, or the test proves nothing) to %d", most, b.cfg.MaxRecords, bound)
	}
	t.Logf("%d records, up to %d under way of %d allowed", sent, g.most.Load(), bound)
	b.committed(b.cfg.Topic)
	if err := c.halt(); err != nil {
		t.Error(err)
	}
}

// soak sends for as long as it is told, twice as much as is applied, and looks at the memory of the process.
func soak(t *testing.T, long time.Duration, g *gauge, send func(n int)) {
	var sizes []int64
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	sent, lines := int64(0), 0
	for end := time.Now().Add(long); time.Now().Before(end); lines++ {
		<-tick.C
		done := g.applied.Load()
		n := max(1000, 2*done/int64(lines+1)) // above what Redis takes
		send(int(n))
		sent += n
		if lines%5 == 0 {
			sizes = append(sizes, resident(t))
		}
		if lines%30 == 0 {
			t.Logf("%4d s: sent %d, applied %d, under way %d, resident %d MiB", lines, sent, done, g.fetched.Load()-done, sizes[len(sizes)-1]>>20)
		}
	}
	warm := sizes[len(sizes)/4:] // windows fill, pools and the allocator settle
	half := len(warm) / 2
	first, second := slices.Max(warm[:half]), slices.Max(warm[half:])
	t.Logf("behind by %d records; resident at most %d MiB in the first half after warming up, %d MiB in the second", sent-g.applied.Load(), first>>20, second>>20)
	if behind := sent - g.applied.Load(); behind < 10_000 {
		t.Errorf("only %d records waited in Kafka: Redis was not slower than what came", behind)
	}
	if second > first+first/8+16<<20 {
		t.Errorf("memory grew from %d to %d MiB", first>>20, second>>20)
	}
}

// resident is the memory that the process has of the machine now, or what Go has where the system does not say.
func resident(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.Sys - m.HeapReleased)
	}
	var total, pages int64
	if _, err := fmt.Fscan(strings.NewReader(string(b)), &total, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
