package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/ingest/replicas"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		os.Exit(runChild(dir))
	}
	goleak.VerifyTestMain(m,
		// kafka-go ends the goroutines of closed connections without waiting for them.
		goleak.IgnoreAnyFunction("github.com/segmentio/kafka-go.(*conn).run"),
		goleak.IgnoreAnyFunction("github.com/segmentio/kafka-go.(*connPool).discover"))
}

// bench is where one test works: servers, and names of its own on them.
type bench struct {
	t       testing.TB
	ctx     context.Context
	kafka   broker.Config
	redis   redis.UniversalClient
	addrs   []string // of Redis; several are a cluster
	safe    replicas.Policy
	cfg     Config
	keys    schema.Keys
	rules   window.Rules
	servers *embedded.Servers             // nil on real ones
	way     *wire                         // of resume to Redis; nil: a usual one
	via     func(*redis.UniversalOptions) // what resume changes about it; nil: nothing
}

// newBench uses the servers that TEST_KAFKA and TEST_REDIS name, or embedded ones in dir ("" = in memory).
func newBench(t testing.TB, dir string) *bench {
	t.Helper()
	realKafka, realRedis := os.Getenv("TEST_KAFKA"), os.Getenv("TEST_REDIS")
	onReal, patience := realKafka != "" && realRedis != "" && dir == "", 2*time.Minute
	if onReal {
		patience = 4 * time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	unique := fmt.Sprintf("test%d", time.Now().UnixNano())
	b := &bench{t: t, ctx: ctx, kafka: broker.DefaultConfig(), cfg: DefaultConfig(), keys: schema.NewKeys(unique), rules: window.DefaultRules()}
	b.kafka.SessionTimeout, b.kafka.HeartbeatInterval, b.kafka.RebalanceTimeout = 6*time.Second, 100*time.Millisecond, 3*time.Second
	b.cfg.Topic, b.cfg.ItemsTopic, b.cfg.DeadLetterTopic, b.cfg.Group = unique+".events", unique+".items", unique+".dead", unique
	if onReal {
		b.kafka.Brokers, b.addrs = strings.Split(realKafka, ","), strings.Split(realRedis, ",")
	} else {
		b.startEmbedded(dir)
	}
	b.redis = b.openRedis()
	if err := broker.EnsureTopics(ctx, b.kafka, b.cfg.Topics()...); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) startEmbedded(dir string) {
	b.t.Helper()
	s, err := embedded.Start(embedded.Config{DataDir: dir})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = s.Close() })
	b.servers, b.addrs, b.kafka.Brokers = s, []string{s.RedisAddr()}, s.Brokers()
	b.kafka.SessionTimeout = time.Second
}

// openRedis returns a client that does not retry by itself and is patient with a machine that stalls, with changed options.
func (b *bench) openRedis(change ...func(*redis.UniversalOptions)) redis.UniversalClient {
	o := &redis.UniversalOptions{Addrs: b.addrs, MaxRetries: -1, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	for _, c := range change {
		c(o)
	}
	rdb := redis.NewUniversalClient(o)
	b.t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

func (b *bench) windows() *window.Store {
	b.t.Helper()
	w, err := window.New(b.redis, b.keys, b.rules, window.WithReplicas(b.safe))
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

func (b *bench) producer() *broker.Producer {
	b.t.Helper()
	p, err := broker.NewProducer(b.kafka)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = p.Close() })
	return p
}

func (b *bench) source(topic string) *broker.GroupSource {
	b.t.Helper()
	s, err := broker.NewGroupSource(b.kafka, topic, b.cfg.Group, broker.WithLogger(testLog(b.t)))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = s.Close() })
	return s
}

// running is a consumer at work.
type running struct {
	stop  context.CancelFunc
	done  chan error
	close func() error // of its source; nil: somebody else does
}

// end halts the consumer, leaves its group, and wants no fault.
func (r *running) end(t testing.TB) {
	t.Helper()
	if err := errors.Join(r.halt(), r.close()); err != nil {
		t.Fatal(err)
	}
}

// halt ends the consumer and returns what Run returned.
func (r *running) halt() error {
	r.stop()
	err := <-r.done
	r.done <- err
	return err
}

// run starts a consumer's Run until the test ends.
func (b *bench) run(run func(context.Context) error) *running {
	ctx, stop := context.WithCancel(b.ctx)
	r := &running{stop: stop, done: make(chan error, 1)}
	go func() {
		err := run(ctx)
		if err != nil && ctx.Err() == nil {
			b.t.Log("a consumer ended:", err)
		}
		r.done <- err
	}()
	b.t.Cleanup(func() { _ = r.halt() })
	return r
}

// consume starts a Consumer on a source of its own.
func (b *bench) consume(opts ...Option) *running {
	b.t.Helper()
	return b.consumeFrom(b.source(b.cfg.Topic), b.windows(), opts...)
}

func (b *bench) consumeFrom(src Source, win Windows, opts ...Option) *running {
	b.t.Helper()
	c, err := New(b.cfg, src, win, b.producer(), append([]Option{WithLogger(testLog(b.t))}, opts...)...)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.run(c.Run)
}

// eventually waits for ok.
func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	for !ok() {
		if b.ctx.Err() != nil {
			b.t.Fatalf("%s: not in time", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// committed waits until the group has committed everything on topic.
func (b *bench) committed(topic string) {
	b.t.Helper()
	b.committedBy(b.cfg.Group, topic)
}

func (b *bench) committedBy(group, topic string) {
	b.t.Helper()
	b.eventually("everything is committed", func() bool {
		lag, err := broker.Lag(b.ctx, b.kafka, group, topic)
		if err != nil {
			b.t.Log("lag:", err)
			return false
		}
		var sum int64
		for _, n := range lag {
			sum += n
		}
		return sum == 0
	})
}

// readAll returns all records of topic.
func (b *bench) readAll(topic string) []broker.Record {
	b.t.Helper()
	s, err := broker.NewPartitionSource(b.kafka, topic, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer s.Close()
	var ends map[int]int64
	b.eventually("end offsets", func() bool { ends, err = s.Ends(b.ctx); return err == nil })
	var sum int64
	for _, n := range ends {
		sum += n
	}
	var all []broker.Record
	for int64(len(all)) < sum {
		recs, err := s.Fetch(b.ctx, int(sum), time.Millisecond)
		if err != nil {
			b.t.Fatalf("after %d of %d records of %s: %v", len(all), sum, topic, err)
		}
		all = append(all, recs...)
	}
	return all
}

// oracle computes every window from the topic alone, with none of the consumer's or the store's machinery.
func (b *bench) oracle() map[string]*window.State {
	b.t.Helper()
	states := map[string]*window.State{}
	for _, u := range decode(b.readAll(b.cfg.Topic), b.cfg.MaxFuture).users {
		if states[u.User] == nil {
			states[u.User] = &window.State{}
		}
		states[u.User].Apply(b.rules, u.Partition, u.Records)
	}
	return states
}

// check compares every window in Redis with the oracle's.
func (b *bench) check() {
	b.t.Helper()
	want := b.oracle()
	store := b.windows()
	if len(want) == 0 {
		b.t.Error("the oracle knows no user")
	}
	wrong := 0
	for user, st := range want {
		got, err := store.Window(b.ctx, user)
		if err != nil {
			b.t.Fatal(err)
		}
		if w, g := fmt.Sprintf("%+v", st.Window(user)), fmt.Sprintf("%+v", got); w != g {
			if wrong++; wrong <= 3 {
				b.t.Errorf("window of %s: %s", user, firstDifference(g, w))
			}
		}
	}
	if wrong > 0 {
		b.t.Errorf("%d of %d windows are wrong", wrong, len(want))
	}
}

// firstDifference shows where two long texts part.
func firstDifference(got, want string) string {
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	part := func(s string) string { return s[max(0, min(at, len(s))-100):min(len(s), at+200)] }
	return fmt.Sprintf("at byte %d\n got ...%s\nwant ...%s", at, part(got), part(want))
}

func (b *bench) publish(recs ...broker.Record) {
	b.t.Helper()
	if err := b.producer().Publish(b.ctx, b.cfg.Topic, recs...); err != nil {
		b.t.Fatal(err)
	}
}

// testLog shows warnings of a failing test.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}
