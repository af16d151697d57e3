package app

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest"
	"github.com/softrec/softrec/ingest/embedded"
)

// A commit waits where each node may lose its own end, and where somebody wants it to. One server loses places and windows together, and
// the embedded one is synced instead.
func TestApp_awaited(t *testing.T) {
	one := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	t.Cleanup(func() { _ = one.Close(); _ = cluster.Close() })
	const nothing, late, aof = "<nil>", "progress.Late", "*progress.AOF"
	for _, c := range []struct{ durability, one, cluster string }{
		{ingest.DurabilityAuto, nothing, late},
		{ingest.DurabilityNone, nothing, nothing},
		{ingest.DurabilityLate, late, late},
		{ingest.DurabilityWaitAOF, aof, aof},
	} {
		a := &App{}
		a.cfg.Ingest.Durability = c.durability
		if got := fmt.Sprintf("%T, %T", a.awaited(one), a.awaited(cluster)); got != c.one+", "+c.cluster {
			t.Errorf("%s: commits wait for %s; want %s, %s", c.durability, got, c.one, c.cluster)
		}
		a.servers = &embedded.Servers{}
		if got := a.awaited(one); got != nil {
			t.Errorf("%s, embedded: commits wait for %T", c.durability, got)
		}
	}
}
