package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
)

func TestApp_warnOfEviction(t *testing.T) {
	info := func(limit, policy string) string {
		return "# Memory\r\nused_memory:1000\r\nmaxmemory:" + limit + "\r\nmaxmemory_human:1M\r\nmaxmemory_policy:" + policy + "\r\n"
	}
	for _, c := range []struct {
		name, text string
		warns      bool
	}{
		{"it evicts", info("1000000", "allkeys-lru"), true},
		{"it evicts what expires", info("1000000", "volatile-ttl"), true},
		{"it refuses", info("1000000", "noeviction"), false},
		{"it has no limit", info("0", "allkeys-lru"), false},
		{"it does not tell", "", false},
	} {
		for _, cluster := range []bool{false, true} {
			m := miniredis.RunT(t)
			m.Server().SetPreHook(func(p *server.Peer, cmd string, args ...string) bool {
				if !strings.EqualFold(cmd, "info") {
					return false
				}
				if c.text == "" {
					p.WriteError("NOPERM this user has no permissions to run the 'info' command")
				} else {
					p.WriteBulk(c.text)
				}
				return true
			})
			rdb := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{m.Addr()}, IsClusterMode: cluster})
			var said bytes.Buffer
			a := &App{log: slog.New(slog.NewTextHandler(&said, nil))}
			a.warnOfEviction(t.Context(), rdb)
			_ = rdb.Close()
			if warned := strings.Contains(said.String(), "maxmemory-policy"); warned != c.warns {
				t.Errorf("%s, cluster %t: said %q", c.name, cluster, said.String())
			}
		}
	}
}
