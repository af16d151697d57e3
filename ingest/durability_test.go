package ingest

import (
	"context"
	"errors"
	"fmt"
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
	d := diskOf(b)
	d.keepFile()
	return b, d
}

// keepFile makes the AOF grow in one file, until the server is started again. A rewrite would begin another.
func (d disk) keepFile() {
	d.b.t.Helper()
	d.b.eventually("an AOF of one file that grows", func() bool {
		_, err := d.size()
		return err == nil && d.b.redis.ConfigSet(d.b.ctx, "auto-aof-rewrite-percentage", "0").Err() == nil
	})
}

// size is how long the AOF is: everything that was acknowledged before is in it, but not therefore on the disk.
func (d disk) size() (int64, error) {
	file, err := d.newest()
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// newest is the file that the AOF grows in.
func (d disk) newest() (string, error) {
	files, err := filepath.Glob(filepath.Join(d.folder, "*.incr.aof"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("files of the AOF: %v, %v; want one that grows", files, err)
	}
	return files[0], nil
}

// sized is size where it must be known.
func (d disk) sized() int64 {
	d.b.t.Helper()
	n, err := d.size()
	if err != nil {
		d.b.t.Fatal(err)
	}
	return n
}

// cut makes the AOF of a server that is stopped shorter.
func (d disk) cut(size int64) {
	d.b.t.Helper()
	file, err := d.newest()
	if err == nil {
		err = os.Truncate(file, size)
	}
	if err != nil {
		d.b.t.Fatal(err)
	}
}

// crash is what a crash of the operating system leaves: the AOF as far as it was synced.
func (d disk) crash(synced int64) {
	d.b.t.Helper()
	d.stopped(func() { d.cut(synced) })
	d.keepFile()
}

// watchedAOF is a progress.AOF that notes how long the file was when a question that was answered well began: so much is on the disk.
type watchedAOF struct {
	*progress.AOF
	disk   disk
	synced atomic.Int64
	asked  atomic.Int64
}

func (w *watchedAOF) Sync(ctx context.Context) error {
	before, err := w.disk.size()
	if err != nil {
		return err
	}
	if err = w.AOF.Sync(ctx); err == nil {
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
		published, enough, syncs := make(chan error, 1), make(chan struct{}), aof.asked.Load()
		go func() {
			pace := time.NewTicker(5 * time.Millisecond) // what comes within the test's time must fit into the windows
			defer pace.Stop()
			for {
				if err := l.publish(p, 20); err != nil {
					published <- err
					return
				}
				select {
				case <-pace.C:
				case <-enough:
					published <- nil
					return
				}
			}
		}()
		b.eventually("some syncs, and more on its way to the disk", func() bool {
			now, err := d.size()
			return err == nil && aof.asked.Load() >= syncs+4 && now > aof.synced.Load()
		})
		control(t, "kill", d.server)
		_ = c.halt() // it says that it could not finish
		if err := src.Close(); err != nil {
			t.Fatal(err)
		}
		close(enough)
		if err := <-published; err != nil {
			t.Fatal(err)
		}
		if d.sized() == aof.synced.Load() {
			t.Error("all of the AOF was on the disk: the test shows nothing")
		}
		d.cut(aof.synced.Load())
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
		synced := d.sized()
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
	rewinds := func() float64 { return counted(t, reg, "softrec_ingest_rewinds_total") }
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
			d.keepFile()
		} else {
			d.crash(aof.synced.Load())
		}
		b.eventually("it is seen, and read again what it may have lost", func() bool { return rewinds() == float64(turn+1) })
	}
	if err := l.publish(p, 300); err != nil {
		t.Fatal(err)
	}
	l.settled()
	if n := rewinds(); n != 4 {
		t.Errorf("%v rewinds, want 4", n)
	}
	c.end(t)
}
