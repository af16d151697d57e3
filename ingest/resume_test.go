package ingest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/ingest/progress"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// fenced is Redis as the product's ingest writes it.
type fenced struct {
	rdb    redis.UniversalClient
	accept func(context.Context) error
	ledger *progress.Store
	places *progress.Store // the ledger, not through the fence
}

// behindFence opens Redis behind a fence of its own, which has accepted what is there.
func (b *bench) behindFence(places ...progress.Option) fenced {
	b.t.Helper()
	fence := progress.NewFence()
	opts := &redis.UniversalOptions{Addrs: b.addrs, MaxRetries: -1, DisableIdentity: true}
	if b.via != nil {
		b.via(opts)
	}
	fence.Guard(opts)
	if b.way != nil {
		opts.Dialer = b.way.dial
	}
	rdb := redis.NewUniversalClient(opts)
	b.t.Cleanup(func() { _ = rdb.Close() })
	f := fenced{rdb: rdb, accept: func(ctx context.Context) error { return fence.Accept(ctx, rdb) }}
	b.eventually("Redis is there", func() bool { return f.accept(b.ctx) == nil })
	unfenced := *opts
	unfenced.OnConnect = nil
	open := redis.NewUniversalClient(&unfenced)
	b.t.Cleanup(func() { _ = open.Close() })
	var errs [2]error
	f.ledger, errs[0] = progress.New(rdb, b.keys, places...)
	f.places, errs[1] = progress.New(open, b.keys, places...)
	if err := errors.Join(errs[:]...); err != nil {
		b.t.Fatal(err)
	}
	return f
}

// sourceOf opens the source of a group that begins where f says.
func (b *bench) sourceOf(topic, group string, f fenced, reg *prometheus.Registry) *broker.GroupSource {
	b.t.Helper()
	src, err := broker.NewGroupSource(b.kafka, topic, group, broker.WithLogger(testLog(b.t)), broker.WithRegisterer(reg),
		broker.WithLives(f.places), broker.WithProgress(f.places))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = src.Close() })
	return src
}

// resume starts a Consumer as the product does: behind a fence, with the lives of the topic and the place where to go on in Redis.
func (b *bench) resume(reg *prometheus.Registry, more ...Option) *running {
	b.t.Helper()
	f := b.behindFence(progress.WithOlder(b.keys.Names()))
	win, err := window.New(f.rdb, b.keys, b.rules, window.WithReplicas(b.safe))
	if err != nil {
		b.t.Fatal(err)
	}
	src := b.sourceOf(b.cfg.Topic, b.cfg.Group, f, reg)
	r := b.consumeFrom(src, win, append(more, WithRegisterer(reg), WithLedger(f.ledger, f.accept))...)
	return &running{stop: r.stop, done: r.done, close: src.Close}
}

// lived are the records of one life of a topic.
type lived struct {
	life int
	recs []broker.Record
}

// wrong counts the windows in Redis that are not what the lives make, one after the other; first describes one.
func (b *bench) wrong(lives ...lived) (wrong int, first string) {
	b.t.Helper()
	states := map[string]*window.State{}
	for _, l := range lives {
		recs := slices.Clone(l.recs)
		for i := range recs {
			recs[i].Offset = broker.Position(l.life, recs[i].Offset)
		}
		for _, u := range decode(recs, b.cfg.MaxFuture).users {
			if states[u.User] == nil {
				states[u.User] = &window.State{}
			}
			states[u.User].Apply(b.rules, u.Partition, u.Records)
		}
	}
	store := b.windows()
	for user, st := range states {
		got, err := store.Window(b.ctx, user)
		if err != nil {
			return len(states), err.Error()
		}
		if w, g := fmt.Sprintf("%+v", st.Window(user)), fmt.Sprintf("%+v", got); w != g {
			wrong++
			first = user + ": " + firstDifference(g, w)
		}
	}
	return wrong, first
}

// right waits until every window is what the lives make.
func (b *bench) right(lives ...lived) {
	b.t.Helper()
	n, first := -1, ""
	for end := time.Now().Add(time.Minute); n != 0; time.Sleep(20 * time.Millisecond) {
		if n, first = b.wrong(lives...); n != 0 && (time.Now().After(end) || b.ctx.Err() != nil) {
			b.t.Fatalf("%d windows stay wrong: %s", n, first)
		}
	}
}

// makeAnew deletes the topic and makes it again.
func (b *bench) makeAnew() {
	b.t.Helper()
	if err := broker.DeleteTopics(b.ctx, b.kafka, b.cfg.Topic); err != nil {
		b.t.Fatal(err)
	}
	b.eventually("the topic is gone", func() bool {
		return errors.Is(broker.Scan(b.ctx, b.kafka, b.cfg.Topic, func(broker.Record) error { return nil }), kafka.UnknownTopicOrPartition)
	})
	if err := broker.EnsureTopics(b.ctx, b.kafka, b.cfg.Topics()...); err != nil {
		b.t.Fatal(err)
	}
}

// anonymous makes events without ids, so that only their places keep them from counting twice. No two of different seeds have one time.
func anonymous(seed uint64, n, users int) []broker.Record {
	rng := rand.New(rand.NewPCG(seed, seed))
	recs := make([]broker.Record, n)
	for i := range recs {
		recs[i] = eventRecord(schema.Event{UserID: fmt.Sprint("u", rng.IntN(users)), ItemID: fmt.Sprint("i", rng.IntN(50)), Timestamp: start.Add(time.Duration(i)*time.Second + time.Duration(seed)*time.Millisecond)})
	}
	return recs
}

// A topic that is deleted and made anew begins its offsets at 0 again, below those the windows have seen. Nothing of its new life is
// passed over, nothing of the old one is lost, nothing counts twice.
func TestConsumer_topicMadeAnew(t *testing.T) {
	for _, running := range []bool{true, false} {
		t.Run(map[bool]string{true: "while ingest runs", false: "between two runs"}[running], func(t *testing.T) {
			b := newBench(t, "")
			b.patient(4 * time.Minute)
			b.kafka.MetadataInterval = 100 * time.Millisecond
			reg := prometheus.NewRegistry()
			c := b.resume(reg)
			b.publish(anonymous(1, 600, 20)...)
			b.committed(b.cfg.Topic)
			before := lived{0, b.readAll(b.cfg.Topic)}
			b.right(before)
			if !running {
				c.end(t)
			}
			b.makeAnew()
			b.publish(anonymous(2, 300, 20)...)
			if !running {
				reg = prometheus.NewRegistry()
				c = b.resume(reg)
			}
			after := lived{1, b.readAll(b.cfg.Topic)}
			b.right(before, after)
			b.publish(anonymous(3, 500, 20)...) // past the offsets of the old life
			after.recs = b.readAll(b.cfg.Topic)
			b.right(before, after)
			c.end(t)
			c = b.resume(prometheus.NewRegistry()) // and again from the ledger
			b.publish(anonymous(4, 50, 20)...)
			after.recs = b.readAll(b.cfg.Topic)
			b.right(before, after)
			c.end(t)
			if n := counted(t, reg, "softrec_broker_partition_lives_total"); n != 4 {
				t.Errorf("%v partitions were seen to begin anew, want 4", n)
			}
		})
	}
}

// Partitions are added to a running topic: the new ones are read, and users whose key hashes elsewhere now keep one right window.
func TestConsumer_partitionsAdded(t *testing.T) {
	b := newBench(t, "")
	b.patient(4 * time.Minute)
	b.kafka.MetadataInterval = 100 * time.Millisecond
	c := b.resume(prometheus.NewRegistry())
	b.publish(anonymous(5, 1000, 60)...)
	b.committed(b.cfg.Topic)
	client := &kafka.Client{Addr: kafka.TCP(b.kafka.Brokers...)}
	if _, err := client.CreatePartitions(b.ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: b.cfg.Topic, Count: 6}}}); err != nil {
		t.Fatal(err)
	}
	b.eventually("six partitions", func() bool {
		lag, err := broker.Lag(b.ctx, b.kafka, b.cfg.Group, b.cfg.Topic)
		return err == nil && len(lag) == 6
	})
	b.publish(anonymous(6, 1000, 60)...)
	b.committed(b.cfg.Topic)
	b.check()
	spread := map[string]map[int]bool{}
	for _, r := range b.readAll(b.cfg.Topic) {
		if spread[string(r.Key)] == nil {
			spread[string(r.Key)] = map[int]bool{}
		}
		spread[string(r.Key)][r.Partition] = true
	}
	moved := 0
	for _, parts := range spread {
		if len(parts) > 1 {
			moved++
		}
	}
	if moved == 0 {
		t.Error("no user has records in two partitions: the test shows nothing")
	}
	c.end(t)
}

// A broker that comes back without the end of its log gives new records the offsets of those it has lost. The windows keep what they
// have, and take the new ones.
func TestConsumer_logEndLost(t *testing.T) {
	for _, running := range []bool{true, false} {
		t.Run(map[bool]string{true: "while ingest runs", false: "between two runs"}[running], func(t *testing.T) {
			dir, saved := t.TempDir(), filepath.Join(t.TempDir(), "kafka")
			b := newBench(t, dir) // its Redis is used; the broker is another, which can be put back
			b.patient(4 * time.Minute)
			log := newLog(t)
			b.kafka.Brokers, b.kafka.MetadataInterval = []string{log.addr()}, 100*time.Millisecond
			if err := broker.EnsureTopics(b.ctx, b.kafka, b.cfg.Topics()...); err != nil {
				t.Fatal(err)
			}
			b.publish(anonymous(1, 400, 20)...)
			log.save(saved)
			reg := prometheus.NewRegistry()
			c := b.resume(reg)
			b.publish(anonymous(2, 400, 20)...)
			b.committed(b.cfg.Topic)
			before := lived{0, b.readAll(b.cfg.Topic)}
			b.right(before)
			if !running {
				c.end(t)
			}
			log.restore(saved)
			kept := map[int]int64{}
			for _, r := range b.readAll(b.cfg.Topic) {
				kept[r.Partition]++
			}
			if !running {
				reg = prometheus.NewRegistry()
				c = b.resume(reg)
			}
			b.eventually("the loss is seen on each partition", func() bool {
				return counted(t, reg, "softrec_broker_partition_lives_total") == float64(len(kept))
			})
			b.publish(anonymous(3, 100, 20)...)
			after := lived{life: 1}
			for _, r := range b.readAll(b.cfg.Topic) {
				if r.Offset >= kept[r.Partition] {
					after.recs = append(after.recs, r)
				}
			}
			b.right(before, after)
			c.end(t)
		})
	}
}

// Redis comes back as it was some time ago, while Kafka has the newest commits. What it lost is read again, from its own place and not
// from Kafka's.
func TestConsumer_redisGoesBack(t *testing.T) {
	for _, c := range []struct {
		name           string
		running, empty bool
		idle           bool // nothing more comes
	}{
		{"while ingest runs", true, false, false}, {"between two runs", false, false, false}, {"empty, while ingest runs", true, true, false},
		{"empty, between two runs", false, true, false}, {"empty, and nothing more comes", true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, t.TempDir())
			b.patient(4 * time.Minute)
			older, err := embedded.Start(embedded.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer older.Close()
			way, now := &wire{}, b.redis
			b.way = way
			reg := prometheus.NewRegistry()
			ingest := b.resume(reg)
			b.publish(anonymous(1, 500, 30)...)
			b.committed(b.cfg.Topic)
			flowing := make(chan struct{})
			go func() { // the copy is taken while events flow
				defer close(flowing)
				for part := range slices.Chunk(anonymous(2, 1500, 30), 50) {
					if err := b.producer().Publish(b.ctx, b.cfg.Topic, part...); err != nil {
						t.Error(err)
					}
				}
			}()
			if !c.empty {
				b.copyRedis(now, older.RedisAddr())
			}
			<-flowing
			b.committed(b.cfg.Topic)
			if !c.running {
				ingest.end(t)
			}
			way.cut()
			way.point(older.RedisAddr())
			way.mend()
			b.redis = redis.NewClient(&redis.Options{Addr: older.RedisAddr(), MaxRetries: -1})
			defer b.redis.Close()
			if !c.running {
				ingest = b.resume(prometheus.NewRegistry())
			}
			if !c.idle {
				b.publish(anonymous(3, 200, 30)...)
			}
			b.right(lived{0, b.readAll(b.cfg.Topic)})
			if n := counted(t, reg, "softrec_ingest_rewinds_total"); c.running && n != 1 {
				t.Errorf("%v rewinds, want 1", n)
			}
			ingest.end(t)
		})
	}
}

// A connection that breaks, to a Redis that goes on, is no reason to read anything again.
func TestConsumer_brokenConnectionIsNoRestart(t *testing.T) {
	b := newBench(t, "")
	way := &wire{}
	b.way = way
	reg := prometheus.NewRegistry()
	c := b.resume(reg)
	for seed := range uint64(3) {
		b.publish(anonymous(seed+1, 200, 20)...)
		b.committed(b.cfg.Topic)
		way.cut()
		way.mend()
	}
	b.publish(anonymous(9, 200, 20)...)
	b.committed(b.cfg.Topic)
	b.check()
	c.end(t)
	if n := counted(t, reg, "softrec_ingest_rewinds_total"); n != 0 {
		t.Errorf("read again %v times without need", n)
	}
}

// counted is the sum of a counter over its labels.
func counted(t testing.TB, reg *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue()
		}
	}
	return sum
}

// copyRedis copies everything of this test, the places first and the dictionary last: what is newer than its place does no harm.
func (b *bench) copyRedis(from redis.UniversalClient, addr string) {
	b.t.Helper()
	keys, err := from.Keys(b.ctx, b.keys.Prefix+":*").Result()
	if err != nil {
		b.t.Fatal(err)
	}
	rank := func(key string) int {
		switch key {
		case b.keys.Applied(b.cfg.Topic):
			return 0
		case b.keys.Names():
			return 2
		}
		return 1
	}
	slices.SortStableFunc(keys, func(x, y string) int { return rank(x) - rank(y) })
	b.copyKeys(from, addr, keys...)
}

func (b *bench) copyKeys(from redis.UniversalClient, addr string, keys ...string) {
	b.t.Helper()
	to := redis.NewClient(&redis.Options{Addr: addr})
	defer to.Close()
	for _, key := range keys {
		kind, err := from.Type(b.ctx, key).Result()
		if err != nil {
			b.t.Fatal(err)
		}
		switch kind {
		case "string":
			err = to.Set(b.ctx, key, from.Get(b.ctx, key).Val(), 0).Err()
		case "hash":
			err = to.HSet(b.ctx, key, from.HGetAll(b.ctx, key).Val()).Err()
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// BenchmarkDurability measures BenchmarkIngest's events with each answer to what a commit waits for, and how long after the last event
// everything is committed.
func BenchmarkDurability(b *testing.B) {
	for _, kind := range []string{DurabilityNone, DurabilityLate, DurabilityWaitAOF} {
		b.Run(kind, func(b *testing.B) {
			w := newBench(b, "")
			w.patient(4 * time.Minute)
			ledger, err := progress.New(w.redis, w.keys, progress.WithOlder(w.keys.Names()))
			if err != nil {
				b.Fatal(err)
			}
			opts := []Option{WithLedger(ledger, func(context.Context) error { return nil })}
			switch kind {
			case DurabilityLate:
				opts = append(opts, WithAwaited(progress.Late(progress.SyncEvery)))
			case DurabilityWaitAOF:
				aof := progress.NewAOF(w.redis, w.keys)
				if err := aof.Sync(w.ctx); err != nil {
					b.Skip("no WAITAOF here: ", err)
				}
				opts = append(opts, WithAwaited(aof))
			}
			const n = 20_000
			recs := randomRecords(rand.New(rand.NewPCG(8, 8)), n, 5000)
			src, err := broker.NewGroupSource(w.kafka, w.cfg.Topic, w.cfg.Group, broker.WithLives(ledger), broker.WithProgress(ledger))
			if err != nil {
				b.Fatal(err)
			}
			defer src.Close()
			reg := prometheus.NewRegistry()
			c := w.consumeFrom(src, w.windows(), append(opts, WithRegisterer(reg))...)
			p := w.producer()
			applied := 0.0
			var waited time.Duration
			for b.Loop() {
				for part := range slices.Chunk(recs, 4000) {
					if err := p.Publish(w.ctx, w.cfg.Topic, part...); err != nil {
						b.Fatal(err)
					}
				}
				applied += n
				w.eventually("all is applied", func() bool { return counted(b, reg, "softrec_ingest_records_total") >= applied })
				b.StopTimer()
				from := time.Now()
				w.committed(w.cfg.Topic)
				waited += time.Since(from)
				b.StartTimer()
			}
			b.ReportMetric(applied/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(waited.Seconds()*1000/float64(b.N), "commit_ms")
			if err := c.halt(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// newLog starts the broker on a port of its own.
func newLog(t *testing.T) *brokerLog {
	t.Helper()
	l := &brokerLog{t: t, dir: t.TempDir()}
	l.start()
	t.Cleanup(func() { l.stop() })
	return l
}

func (l *brokerLog) start() {
	l.t.Helper()
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.DataDir(l.dir), kfake.GroupMinSessionTimeout(500 * time.Millisecond)}
	if l.port != 0 {
		opts = append(opts, kfake.Ports(l.port))
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		l.t.Fatal(err)
	}
	l.stop = c.Close
	_, port, err := net.SplitHostPort(c.ListenAddrs()[0])
	if err != nil {
		l.t.Fatal(err)
	}
	if l.port, err = strconv.Atoi(port); err != nil {
		l.t.Fatal(err)
	}
}

// brokerLog is a broker whose data can be put back to an earlier state; its address stays.
type brokerLog struct {
	t    *testing.T
	dir  string
	port int
	stop func()
}

func (l *brokerLog) addr() string { return fmt.Sprintf("127.0.0.1:%d", l.port) }

// save copies the data.
func (l *brokerLog) save(to string) {
	l.t.Helper()
	l.stop()
	if err := os.CopyFS(to, os.DirFS(l.dir)); err != nil {
		l.t.Fatal(err)
	}
	l.start()
}

// restore puts back what save copied.
func (l *brokerLog) restore(from string) {
	l.t.Helper()
	l.stop()
	l.dir = from
	l.start()
}
