package ingest

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// What the parent tells a child of the kill test, and what both agree on.
const (
	childFolder = "SOFTREC_TEST_CHILD_FOLDER" // data folder; makes the test binary a child
	childFirst  = "SOFTREC_TEST_CHILD_FIRST"  // number of the child's first event
	killUsers   = 97
	killRound   = 1_000_000 // numbers of one child's events
	killAcks    = 150       // events that a child acknowledges before its life counts
	killGuard   = 2 * time.Minute
)

// killSetup is the configuration of parent and children.
func killSetup() (Config, window.Rules, schema.Keys) {
	cfg := DefaultConfig()
	cfg.SyncInterval = 50 * time.Millisecond // commits often, so that kills fall around them
	return cfg, window.Rules{Len: schema.MaxWindowLen, Lateness: 365 * 24 * time.Hour}, schema.NewKeys("")
}

// killEvent is the event with number n. Several numbers share a user and a time, so order matters.
func killEvent(n int) broker.Record {
	return eventRecord(schema.Event{
		EventID: fmt.Sprintf("e%d", n), UserID: fmt.Sprintf("u%d", n%killUsers), ItemID: fmt.Sprintf("i%d", n),
		Timestamp: start.Add(time.Duration(n/killRound)*time.Hour + time.Duration(n%killRound/killUsers)*time.Millisecond),
	})
}

// runChild is the process that gets killed: servers, consumer and producers in one. It writes the number of each event
// that the broker acknowledged to its output, and never ends by itself.
func runChild(dir string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	first, err := strconv.Atoi(os.Getenv(childFirst))
	if err != nil {
		return fail(err)
	}
	s, err := embedded.Start(embedded.Config{DataDir: dir, SnapshotInterval: 100 * time.Millisecond})
	if err != nil {
		return fail(err)
	}
	ctx := context.Background()
	go func() { _ = s.Run(ctx) }()
	kafka := broker.DefaultConfig()
	kafka.Brokers, kafka.PublishTimeout = s.Brokers(), 0
	cfg, rules, keys := killSetup()
	if err := broker.EnsureTopics(ctx, kafka, cfg.Topics()...); err != nil {
		return fail(err)
	}
	p, err := broker.NewProducer(kafka)
	if err != nil {
		return fail(err)
	}
	src, err := broker.NewGroupSource(kafka, cfg.Topic, cfg.Group)
	if err != nil {
		return fail(err)
	}
	win, err := window.New(redis.NewClient(&redis.Options{Addr: s.RedisAddr()}), keys, rules)
	if err != nil {
		return fail(err)
	}
	c, err := New(cfg, src, win, p, WithDurable(s))
	if err != nil {
		return fail(err)
	}
	go func() {
		var mu sync.Mutex
		for w := range 3 {
			go func() {
				for n := first + w; ; n += 3 {
					if err := p.Publish(ctx, cfg.Topic, killEvent(n)); err != nil {
						fmt.Fprintln(os.Stderr, "child:", err)
						return
					}
					mu.Lock()
					_, _ = fmt.Println(n)
					mu.Unlock()
				}
			}()
		}
	}()
	return fail(c.Run(ctx))
}

// Ten times the whole process is killed at some moment and started again on its folder: mostly while it works, sometimes while it still
// finds its way back. In the end every acknowledged event is in its window exactly once, no event is there twice, and the windows equal
// the oracle's.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills ten processes")
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano()))) // the moments of the kills are never the same anyway
	acked := map[int]bool{}
	for round := range 10 {
		before, needed := len(acked), killAcks
		if round%4 == 3 {
			needed = 0 // killed wherever it is by then
		}
		life := 150*time.Millisecond + time.Duration(rng.Int64N(int64(900*time.Millisecond)))
		killChild(t, dir, round*killRound, needed, life, acked)
		t.Logf("child %d lived %s after %d acknowledged events, %d in all", round, life, needed, len(acked)-before)
		if n := len(acked) - before; n < needed {
			t.Errorf("child %d acknowledged %d events within %s", round, n, killGuard)
		}
	}

	b := newBench(t, dir)
	b.cfg, b.rules, b.keys = killSetup()
	b.consume(WithDurable(b.servers))
	b.committed(b.cfg.Topic)
	b.check()
	stored := map[string]int{} // by item: each event has its own
	for u := range killUsers {
		w, err := b.windows().Window(b.ctx, fmt.Sprintf("u%d", u))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range w.Entries {
			stored[e.ItemID]++
		}
	}
	lost, doubled := 0, 0
	for n := range acked {
		if stored[fmt.Sprintf("i%d", n)] == 0 {
			lost++
		}
	}
	for _, n := range stored {
		if n > 1 {
			doubled++
		}
	}
	t.Logf("%d events acknowledged, %d in windows", len(acked), len(stored))
	if lost > 0 || doubled > 0 {
		t.Errorf("%d acknowledged events are lost, %d events are there twice", lost, doubled)
	}
}

// killChild runs a child until it has acknowledged so many events, then for life, kills it and notes what it acknowledged.
func killChild(t *testing.T, dir string, first, needed int, life time.Duration, acked map[int]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+dir, childFirst+"="+strconv.Itoa(first))
	cmd.Stderr = testWriter{t}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait := killGuard
	if needed == 0 {
		wait = life
	}
	timer := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			continue // the line the kill cut
		}
		acked[n] = true
		if needed--; needed == 0 {
			timer.Reset(life)
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v", err)
	}
}
