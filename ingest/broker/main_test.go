package broker

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// kafka-go ends the goroutines of a closed Transport's connections without waiting for them; a connection that
		// waits for its idle timeout keeps one.
		goleak.IgnoreAnyFunction("github.com/segmentio/kafka-go.(*conn).run"),
		goleak.IgnoreAnyFunction("github.com/segmentio/kafka-go.(*connPool).discover"))
}

// cluster returns a Config for the brokers that TEST_KAFKA names (comma-separated), or for a fresh embedded one, and
// that one (nil for real brokers).
func cluster(t testing.TB, opts ...kfake.Opt) (Config, *kfake.Cluster) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.SessionTimeout, cfg.HeartbeatInterval, cfg.RebalanceTimeout = 6*time.Second, 200*time.Millisecond, 3*time.Second
	cfg.MetadataInterval = 200 * time.Millisecond
	if real := os.Getenv("TEST_KAFKA"); real != "" {
		cfg.Brokers = strings.Split(real, ",")
		return cfg, nil
	}
	cfg.SessionTimeout = time.Second
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(500 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg.Brokers = c.ListenAddrs()
	return cfg, c
}

// topic makes a topic with a name of its own.
func topic(t testing.TB, cfg Config, partitions int, change ...func(*TopicSpec)) string {
	t.Helper()
	spec := TopicSpec{Name: fmt.Sprintf("test-%s-%d", strings.ToLower(strings.NewReplacer("/", "-", "#", "-").Replace(t.Name())), time.Now().UnixNano()), Partitions: partitions}
	for _, c := range change {
		c(&spec)
	}
	if err := EnsureTopics(within(t, 20*time.Second), cfg, spec); err != nil {
		t.Fatal(err)
	}
	return spec.Name
}

// within is a context that ends a hanging test.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func producer(t testing.TB, cfg Config) *Producer {
	t.Helper()
	p, err := NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func group(t testing.TB, cfg Config, topic, name string) *GroupSource {
	t.Helper()
	s, err := NewGroupSource(cfg, topic, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// fetchN collects n records.
func fetchN(t testing.TB, s interface {
	Fetch(context.Context, int, time.Duration) ([]Record, error)
}, n int) []Record {
	t.Helper()
	ctx := within(t, 20*time.Second)
	var all []Record
	for len(all) < n {
		recs, err := s.Fetch(ctx, n-len(all), 10*time.Millisecond)
		if err != nil {
			t.Fatalf("after %d of %d records: %v", len(all), n, err)
		}
		all = append(all, recs...)
	}
	return all
}

func numbered(from, to, users int) []Record {
	var recs []Record
	for i := from; i < to; i++ {
		recs = append(recs, Record{Key: fmt.Appendf(nil, "u%d", i%users), Value: fmt.Appendf(nil, "%d", i)})
	}
	return recs
}
