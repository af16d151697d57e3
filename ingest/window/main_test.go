package window

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

var _ StringDB = (*miniredis.Miniredis)(nil)

// backend is one way to have the script's rules carried out behind a real client.
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

// client does not retry by itself: what a test sees is what one call did.
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
		c.WriteInt(reply.(int))
		return true
	})
}

// open returns a Store under a prefix of its own, which is emptied at the end.
func open(t testing.TB, b backend, rules Rules) *Store {
	keys := schema.NewKeys("test-" + uuid.NewString())
	s, err := New(b.rdb, keys, rules)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		_ = eachMaster(ctx, b.rdb, func(ctx context.Context, node *redis.Client) error {
			for it := node.Scan(ctx, 0, keys.UserScan(), 1000).Iterator(); it.Next(ctx); {
				node.Del(ctx, it.Val())
			}
			return nil
		})
		b.rdb.Del(ctx, keys.Names())
	})
	return s
}

// eachMaster calls fn with the client of each server that takes writes.
func eachMaster(ctx context.Context, rdb redis.UniversalClient, fn func(context.Context, *redis.Client) error) error {
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, fn)
	}
	return fn(ctx, rdb.(*redis.Client))
}

// dump is everything stored about a user.
func dump(t testing.TB, s *Store, user string) string {
	t.Helper()
	value, err := s.rdb.GetRange(context.Background(), s.keys.User(user), 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func apply(t testing.TB, s *Store, batch ...UserBatch) Outcome {
	t.Helper()
	out, err := s.Apply(context.Background(), batch)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func read(t testing.TB, s *Store, user string) schema.Window {
	t.Helper()
	w, err := s.Window(context.Background(), user)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// at is the moment sec seconds into the tests' day.
func at(sec int) time.Time { return time.UnixMilli(1_700_000_000_000 + int64(sec)*1000).UTC() }

// view is the record of an ordinary click.
func view(offset int64, item string, sec int) Record {
	return Record{Offset: offset, Interaction: schema.Interaction{ItemID: item, Type: "view", Timestamp: at(sec)}}
}

func items(entries []schema.Interaction) string {
	var b strings.Builder
	for i, e := range entries {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.ItemID)
	}
	return b.String()
}
