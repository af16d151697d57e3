package ingest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// disk is the AOF of a Redis that .ci/servers.sh has started.
type disk struct {
	b      *bench
	server string // its name
	folder string // of the AOF
}

// diskOf looks where the Redis of b keeps its AOF.
func diskOf(b *bench) disk {
	b.t.Helper()
	rdb := b.redis.(*redis.Client)
	conf, err := rdb.ConfigGet(b.ctx, "*dir*").Result()
	if err != nil {
		b.t.Fatal(err)
	}
	return disk{b, serverName(b.t, rdb), filepath.Join(conf["dir"], conf["appenddirname"])}
}

// stopped kills the server, lets change do what it will to the AOF, and starts the server again.
func (d disk) stopped(change func()) {
	d.b.t.Helper()
	control(d.b.t, "kill", d.server)
	change()
	control(d.b.t, "again", d.server)
	d.b.eventually("Redis is back", func() bool { return d.b.redis.Ping(d.b.ctx).Err() == nil })
}

// replace puts older in the AOF's place, or nothing. The server is stopped.
func (d disk) replace(older string, empty bool) {
	d.b.t.Helper()
	err := os.RemoveAll(d.folder)
	if err == nil && !empty {
		err = os.Rename(older, d.folder)
	}
	if err != nil {
		d.b.t.Fatal(err)
	}
}

// putBack is one way to put a Redis back.
type putBack struct {
	name           string
	running, empty bool
}

// putBacks are the ways that a real Redis is put back in. It skips t where there is none whose files may be replaced.
func putBacks(t *testing.T) []putBack {
	t.Helper()
	if os.Getenv("TEST_SERVERS") == "" || os.Getenv("TEST_KAFKA") == "" || os.Getenv("TEST_REDIS") == "" || several(os.Getenv("TEST_REDIS")) {
		t.Skip("wants a Redis whose files it may replace: .ci/servers.sh with")
	}
	return []putBack{{"an older copy, while ingest runs", true, false}, {"an older copy, between two runs", false, false}, {"empty, while ingest runs", true, true}}
}

// A real Redis is stopped and started with an older copy of its AOF, or with none, while Kafka has the newest commits. What it lost is
// read again.
func TestConsumer_redisIsPutBack(t *testing.T) {
	for _, c := range putBacks(t) {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, "")
			b.patient(4 * time.Minute)
			d := diskOf(b)
			older := filepath.Join(t.TempDir(), "aof")
			reg := prometheus.NewRegistry()
			ingest := b.resume(reg)
			b.publish(anonymous(1, 500, 30)...)
			b.committed(b.cfg.Topic)
			if err := os.CopyFS(older, os.DirFS(d.folder)); err != nil {
				t.Fatal(err)
			}
			b.publish(anonymous(2, 500, 30)...)
			b.committed(b.cfg.Topic)
			if !c.running {
				ingest.end(t)
			}
			d.stopped(func() { d.replace(older, c.empty) })
			if !c.running {
				ingest = b.resume(prometheus.NewRegistry())
			}
			b.publish(anonymous(3, 200, 30)...)
			b.right(lived{0, b.readAll(b.cfg.Topic)})
			if n := counted(t, reg, "softrec_ingest_rewinds_total"); c.running && n != 1 {
				t.Errorf("%v rewinds, want 1", n)
			}
			ingest.end(t)
		})
	}
}
