package ingest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/softrec/softrec/ingest/progress"
)

// newValkey is a bench whose Redis is the Valkey of .ci/servers.sh: it has WAITAOF, and syncs each second.
func newValkey(t *testing.T) (*bench, disk) {
	t.Helper()
	valkey := os.Getenv("TEST_VALKEY")
	if valkey == "" || os.Getenv("TEST_SERVERS") == "" || os.Getenv("TEST_KAFKA") == "" {
		t.Skip("wants a Valkey that it may kill: .ci/servers.sh with")
	}
	b := newBench(t, "")
	b.patient(4 * time.Minute)
	b.addrs = []string{valkey}
	b.redis = b.openRedis()
	return b, diskOf(b)
}

// size is how long the AOF is: everything that was acknowledged before is in it, but not therefore on the disk.
func (d disk) size() int64 {
	d.b.t.Helper()
	info, err := os.Stat(d.newest())
	if err != nil {
		d.b.t.Fatal(err)
	}
	return info.Size()
}

// newest is the file that the AOF grows in.
func (d disk) newest() string {
	d.b.t.Helper()
	files, err := filepath.Glob(filepath.Join(d.folder, "*.incr.aof"))
	if err != nil || len(files) != 1 {
		d.b.t.Fatalf("files of the AOF: %v, %v; want one that grows", files, err)
	}
	return files[0]
}

// crash is what a crash of the operating system leaves: the AOF as far as it was synced.
func (d disk) crash(synced int64) {
	d.b.t.Helper()
	d.stopped(func() {
		if err := os.Truncate(d.newest(), synced); err != nil {
			d.b.t.Fatal(err)
		}
	})
}

// watchedAOF is a progress.AOF that notes how long the file was when a question that was answered well began: so much is on the disk.
type watchedAOF struct {
	*progress.AOF
	disk   disk
	synced atomic.Int64
	asked  atomic.Int64
}

func (w *watchedAOF) Sync(ctx context.Context) error {
	before := w.disk.size()
	err := w.AOF.Sync(ctx)
	if err == nil {
		w.synced.Store(before)
		w.asked.Add(1)
	}
	return err
}

// The operating system under Redis crashes and takes with it what Redis had not synced. Where commits wait for the AOF, nothing that was
// committed is lost, even if nobody but Kafka knows where to go on. Where they wait for nothing it is: that is the proof that this test
// would see it.
func TestConsumer_theSystemUnderRedisCrashes(t *testing.T) {
	t.Run("commits wait for the AOF", func(t *testing.T) {
		b, d := newValkey(t)
		b.cfg.FlushTimeout = 50 * time.Millisecond
		l := newJournal(b, 60)
		aof := &watchedAOF{AOF: progress.NewAOF(b.redis, b.keys), disk: d}
		src := b.source(b.cfg.Topic)
		c := b.consumeFrom(src, b.windows(), WithAwaited(aof))
		p := b.producer()
		published, syncs := make(chan error, 1), aof.asked.Load()
		go func() {
			var err error
			for err == nil && aof.asked.Load() < syncs+8 {
				err = l.publish(p, 20)
			}
			published <- err
		}()
		b.eventually("some syncs", func() bool { return aof.asked.Load() >= syncs+4 })
		control(t, "kill", d.server)
		_ = c.halt() // it says that it could not finish
		if err := src.Close(); err != nil {
			t.Fatal(err)
		}
		aof.asked.Add(8)
		if err := <-published; err != nil {
			t.Fatal(err)
		}
		if d.size() == aof.synced.Load() {
			t.Error("all of the AOF was on the disk: the test shows nothing")
		}
		if err := os.Truncate(d.newest(), aof.synced.Load()); err != nil {
			t.Fatal(err)
		}
		control(t, "again", d.server)
		b.eventually("Valkey is back", func() bool { return b.redis.Ping(b.ctx).Err() == nil })
		b.cfg.FlushTimeout = DefaultConfig().FlushTimeout
		b.consume()
		l.settled()
	})
	t.Run("commits wait for nothing", func(t *testing.T) {
		b, d := newValkey(t)
		l := newJournal(b, 60)
		src := b.source(b.cfg.Topic)
		c := b.consumeFrom(src, b.windows())
		p := b.producer()
		publish := func() {
			t.Helper()
			if err := l.publish(p, 500); err != nil {
				t.Fatal(err)
			}
			b.committed(b.cfg.Topic)
		}
		publish()
		synced := d.size()
		publish()
		if err := errors.Join(c.halt(), src.Close()); err != nil {
			t.Fatal(err)
		}
		d.crash(synced)
		b.consume()
		publish()
		lost, doubled := l.count()
		t.Logf("%d events acknowledged, %d lost, %d doubled", l.sent, lost, doubled)
		if lost == 0 || doubled > 0 {
			t.Errorf("%d lost, %d doubled: want a loss that waiting prevents", lost, doubled)
		}
	})
}

// The product's way on a server with WAITAOF: it is killed with -9 and started again while events flow, and its system crashes.
func TestConsumer_valkeyIsKilled(t *testing.T) {
	b, d := newValkey(t)
	l := newJournal(b, 60)
	reg := prometheus.NewRegistry()
	aof := &watchedAOF{AOF: progress.NewAOF(b.redis, b.keys), disk: d}
	c := b.resume(reg, WithAwaited(aof))
	p := b.producer()
	for turn := range 4 {
		syncs := aof.asked.Load()
		if err := l.publish(p, 300); err != nil {
			t.Fatal(err)
		}
		b.eventually("a commit", func() bool { return aof.asked.Load() > syncs })
		if err := l.publish(p, 300); err != nil {
			t.Fatal(err)
		}
		if turn%2 == 0 {
			d.stopped(func() {})
		} else {
			d.crash(aof.synced.Load())
		}
	}
	if err := l.publish(p, 300); err != nil {
		t.Fatal(err)
	}
	l.settled()
	if n := counted(t, reg, "softrec_ingest_rewinds_total"); n != 4 {
		t.Errorf("%v rewinds, want 4", n)
	}
	c.end(t)
}
