package ingest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// control does to a server of .ci/servers.sh what the test wants: kill or again. What it kills is there again for the next test, however
// this one ends.
func control(t testing.TB, act, name string) {
	t.Helper()
	if act == "kill" {
		t.Cleanup(func() { _ = exec.Command(os.Getenv("TEST_SERVERS"), "again", name).Run() }) // which refuses when it is running
	}
	if out, err := exec.Command(os.Getenv("TEST_SERVERS"), act, name).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", act, name, err, out)
	}
	t.Log(act, name)
}

// serverName is what .ci/servers.sh calls the Redis that rdb is connected to: its folder has that name.
func serverName(t testing.TB, rdb *redis.Client) string {
	t.Helper()
	dir, err := rdb.ConfigGet(t.Context(), "dir").Result()
	if err != nil || dir["dir"] == "" {
		t.Fatalf("folder of Redis: %v, %v", dir, err)
	}
	return filepath.Base(dir["dir"])
}

// patient gives the test so much time from now on: servers die and come back in it.
func (b *bench) patient(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	b.t.Cleanup(cancel)
	b.ctx = ctx
}

// journal publishes events that can be told apart by their times, and finds them again: windows are so long that none leaves.
type journal struct {
	b     *bench
	users int
	sent  int
}

func newJournal(b *bench, users int) *journal {
	b.rules = window.Rules{Len: schema.MaxWindowLen, Lateness: 365 * 24 * time.Hour}
	return &journal{b: b, users: users}
}

func (l *journal) user(n int) string { return fmt.Sprintf("u%d", n%l.users) }

func (l *journal) at(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }

// publish sends n more events and returns when the brokers have acknowledged them.
func (l *journal) publish(p *broker.Producer, n int) error {
	recs := make([]broker.Record, n)
	for i := range recs {
		at := l.sent + i
		recs[i] = eventRecord(schema.Event{EventID: fmt.Sprintf("e%d", at), UserID: l.user(at), ItemID: fmt.Sprintf("i%d", at%500), Timestamp: l.at(at)})
	}
	l.sent += n
	return p.Publish(l.b.ctx, l.b.cfg.Topic, recs...)
}

// count returns how many of the events are in no window, and how many are there more than once.
func (l *journal) count() (lost, doubled int) {
	l.b.t.Helper()
	stored := map[int64]int{}
	store := l.b.windows()
	for u := range l.users {
		w, err := store.Window(l.b.ctx, l.user(u))
		if err != nil {
			l.b.t.Fatal(err)
		}
		for _, e := range w.Entries {
			stored[e.Timestamp.UnixMilli()]++
		}
	}
	for n := range l.sent {
		if stored[l.at(n).UnixMilli()] == 0 {
			lost++
		}
	}
	for _, n := range stored {
		doubled += n - 1
	}
	return lost, doubled
}

// settled waits for the commit of everything and demands that nothing acknowledged is lost or doubled.
func (l *journal) settled() {
	l.b.t.Helper()
	l.b.committed(l.b.cfg.Topic)
	lost, doubled := l.count()
	l.b.t.Logf("%d events acknowledged, %d lost, %d doubled", l.sent, lost, doubled)
	if lost > 0 || doubled > 0 {
		l.b.t.Errorf("%d acknowledged events are lost, %d are there twice", lost, doubled)
	}
	l.b.check()
}

// several says whether an address is that of more than one server.
func several(addrs string) bool { return strings.Contains(addrs, ",") }
