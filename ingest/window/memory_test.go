package window

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/softrec/softrec/schema"
)

// TestMemory fills a real Redis with full windows and asks it what they take: the figures of docs/capacity.md. The bound is half
// a GiB a million users, 536 bytes each, for everything: key, window, offsets, hashes of event ids, time to live, tables.
func TestMemory(t *testing.T) {
	addr := os.Getenv("TEST_REDIS")
	if addr == "" {
		t.Skip("TEST_REDIS names no server, and only a real one can say what keys take")
	}
	if strings.Contains(addr, ",") {
		t.Skip("TEST_REDIS is a cluster: what keys take is asked of one server")
	}
	for _, c := range []struct {
		name    string
		user    func(int) string
		item    func(int) string
		event   func(rng *rand.Rand, n int64) string
		catalog int
		gap     time.Duration // mean between two baskets
		basket  int
		unit    time.Duration
		between float64 // records of others between two baskets
		most    float64 // bytes a user
	}{
		{"a shop's baskets", func(u int) string { return strconv.Itoa(12346 + u) }, func(i int) string { return strconv.Itoa(20_000+i) + "A" },
			func(_ *rand.Rand, n int64) string { return fmt.Sprintf("%016x", n*0x9e3779b9) }, 4000, 20 * 24 * time.Hour, 20, time.Minute, 200_000, 536},
		{"clicks, UUIDs for everything, seconds", uuidOf("user"), uuidOf("item"), randomUUID, 50_000, time.Minute, 1, time.Second, 15_000, 720},
		{"clicks, UUIDs for everything, milliseconds", uuidOf("user"), uuidOf("item"), randomUUID, 50_000, time.Minute, 1, time.Millisecond, 15_000, 820}, // 797 to 802 were seen
		{"clicks without event ids, milliseconds", strconv.Itoa, strconv.Itoa, func(*rand.Rand, int64) string { return "" }, 50_000, time.Minute, 1, time.Millisecond, 15_000, 536},
	} {
		t.Run(c.name, func(t *testing.T) {
			const users = 16_000 // tables of keys are then about as full as with a million
			b := backend{"script", client(t, addr)}
			s := open(t, b, DefaultRules())
			s.keys = schema.NewKeys("t" + crand.Text()[:6]) // as long as the usual one
			s.names = newNames(b.rdb, s.writer, s.keys)
			t.Cleanup(func() {
				for u := range users {
					b.rdb.Del(context.Background(), s.keys.User(c.user(u)))
				}
				b.rdb.Del(context.Background(), s.keys.Names())
			})
			ctx := t.Context()
			before := usedMemory(t, s)
			rng := rand.New(rand.NewPCG(5, 5))
			batch := make([]UserBatch, 0, 500)
			for u := range users {
				now, offset := time.UnixMilli(1_700_000_000_000), rng.Int64N(1<<30)
				recs := make([]Record, 50)
				for i := range recs {
					if i%c.basket == 0 {
						now = now.Add(time.Duration(float64(c.gap) * rng.ExpFloat64())).Truncate(c.unit)
						offset += int64(c.between * rng.ExpFloat64())
					}
					offset++
					recs[i] = Record{Offset: offset, Interaction: schema.Interaction{
						ItemID: c.item(rng.IntN(c.catalog)), Type: "view", Timestamp: now, EventID: c.event(rng, offset),
					}}
				}
				if batch = append(batch, UserBatch{c.user(u), u % 4, recs}); len(batch) == cap(batch) || u == users-1 {
					apply(t, s, batch...)
					batch = batch[:0]
				}
			}
			names, err := b.rdb.MemoryUsage(ctx, s.keys.Names(), 0).Result()
			if err != nil {
				t.Fatal(err)
			}
			keys := int64(0)
			for u := range 500 {
				n, err := b.rdb.MemoryUsage(ctx, s.keys.User(c.user(u)), 0).Result()
				if err != nil {
					t.Fatal(err)
				}
				keys += n
			}
			all := float64(usedMemory(t, s)-before-names) / users
			t.Logf("%s: %.0f bytes a user in all (MEMORY USAGE of the key alone %.0f), %.3f GiB a million users; dictionary %.1f bytes an item",
				c.name, all, float64(keys)/500, all*1e6/(1<<30), float64(names)/float64(c.catalog))
			if all > c.most {
				t.Errorf("%.0f bytes a user, want at most %.0f", all, c.most)
			}
		})
	}
}

func uuidOf(what string) func(int) string {
	return func(n int) string { return uuid.NewSHA1(uuid.Nil, []byte(what+strconv.Itoa(n))).String() }
}

func randomUUID(rng *rand.Rand, _ int64) string {
	var b [16]byte
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return uuid.UUID(b).String()
}

// usedMemory is what Redis has allocated, but for the buffers of connections and of the AOF, which come and go.
func usedMemory(t *testing.T, s *Store) int64 {
	t.Helper()
	info, err := s.rdb.Info(context.Background(), "memory").Result()
	if err != nil {
		t.Fatal(err)
	}
	field := func(name string) int64 {
		_, rest, _ := strings.Cut(info, "\n"+name+":")
		line, _, _ := strings.Cut(rest, "\r\n")
		n, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	return field("used_memory") - field("mem_clients_normal") - field("mem_aof_buffer")
}
