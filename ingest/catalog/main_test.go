package catalog

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/softrec/softrec/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ DB = (*miniredis.Miniredis)(nil)

type backend struct {
	name string
	rdb  redis.UniversalClient
}

// backends returns the script itself, on the server TEST_REDIS names or else on miniredis, and its twin.
func backends(t testing.TB) []backend {
	twin := miniredis.RunT(t)
	runNatives(twin)
	script := backend{"script on miniredis", nil}
	addr := os.Getenv("TEST_REDIS")
	if addr != "" {
		script.name = "script on " + addr
	} else {
		addr = miniredis.RunT(t).Addr()
	}
	script.rdb = client(t, addr)
	return []backend{script, {"twin", client(t, twin.Addr())}}
}

func client(t testing.TB, addr string) redis.UniversalClient {
	rdb := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: strings.Split(addr, ","), MaxRetries: -1, ReadTimeout: time.Minute, WriteTimeout: time.Minute})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// runNatives makes m answer EVALSHA by the twins, as the embedded server does.
func runNatives(m *miniredis.Miniredis) {
	natives := Natives()
	var mu sync.Mutex
	m.Server().SetPreHook(func(c *server.Peer, cmd string, args ...string) bool {
		if !strings.EqualFold(cmd, "EVALSHA") || natives[args[0]] == nil {
			return false
		}
		n, _ := strconv.Atoi(args[1])
		mu.Lock()
		reply, err := natives[args[0]](m, args[2:2+n], args[2+n:])
		mu.Unlock()
		if err != nil {
			c.WriteError("ERR " + err.Error())
			return true
		}
		c.WriteLen(len(reply.([]int)))
		for _, v := range reply.([]int) {
			c.WriteInt(v)
		}
		return true
	})
}

// open returns a Store under a prefix of its own, which is emptied at the end.
func open(t testing.TB, b backend) *Store {
	s, err := New(b.rdb, schema.NewKeys("test-"+uuid.NewString()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.rdb.Del(context.Background(), s.keys.Items(), s.keys.ItemsLog(), s.keys.ItemsVersion()) })
	return s
}

func put(offset int64, id, title string) Change {
	return Change{Offset: offset, ID: id, Item: &schema.Item{ID: id, Title: title}}
}

func withdraw(offset int64, id string) Change { return Change{Offset: offset, ID: id} }

func apply(t testing.TB, s *Store, changes ...Change) int {
	t.Helper()
	n, err := s.Apply(context.Background(), changes)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func synced(t testing.TB, v *View) *View {
	t.Helper()
	if err := v.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	return v
}

// eventually waits for a condition another goroutine brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
