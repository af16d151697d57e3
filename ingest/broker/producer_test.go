package broker

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/softrec/softrec/ingest/retry"
)

// A broker that has just come back knows partitions and no leaders of them yet. kafka-go says so in words of its own, which a publish once
// took for the end: 48 events of a run of softrec chaos were given up that way.
func TestLeaderless_isWaitedFor(t *testing.T) {
	err := fmt.Errorf("kafka.(*Client).Produce: %w", protocol.NewErrNoLeader("events", 0))
	if retry.Retryable(err) {
		t.Fatal("kafka-go calls it temporary itself now: leaderless is not needed any more")
	}
	got := leaderless(err)
	if !retry.Retryable(got) || !errors.Is(got, protocol.ErrNoLeader) {
		t.Errorf("%v: want an error that is tried again and says why", got)
	}
	if other := errors.New("another"); leaderless(other) != other {
		t.Error("another error is changed")
	}
}

// refuse makes a broker answer its next produce requests with a fault, and counts them and those that follow.
func refuse(c *kfake.Cluster, times int64, fault *kerr.Error) *atomic.Int64 {
	var requests atomic.Int64
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if requests.Add(1) > times {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.(*kmsg.ProduceRequest).Topics {
			answer := kmsg.ProduceResponseTopic{Topic: t.Topic, TopicID: t.TopicID}
			for _, p := range t.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, fault.Code
				answer.Partitions = append(answer.Partitions, part)
			}
			res.Topics = append(res.Topics, answer)
		}
		return res, nil, true
	})
	return &requests
}

// A broker that cannot write, its disk being full, answers without a name for it. The publish goes on until it can, as long as its caller
// is patient: a dead letter was once given up that way, and ingest with it.
func TestProducer_waitsForABrokerThatCannotWrite(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg := DefaultConfig()
	cfg.Brokers = c.ListenAddrs()
	name := topic(t, cfg, 1)
	refused := refuse(c, 3, kerr.UnknownServerError)
	p := producer(t, cfg)
	if err := p.Publish(within(t, 20*time.Second), name, numbered(0, 5, 2)...); err != nil {
		t.Fatal(err)
	}
	if n := refused.Load(); n < 4 {
		t.Errorf("%d requests: the broker refused none", n)
	}
	src := group(t, cfg, name, name)
	if got := fetchN(t, src, 5); len(got) != 5 {
		t.Errorf("%d records", len(got))
	}
}

// Each attempt that fails is counted, whether another one follows or not. The last of them once was not: of records that the broker never takes
// the metric said nothing.
func TestProducer_countsFailedAttempts(t *testing.T) {
	for _, c := range []struct {
		fault *kerr.Error
		times int64
		given bool // up
	}{{kerr.UnknownServerError, 3, false}, {kerr.MessageTooLarge, 1, true}} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		cfg := DefaultConfig()
		cfg.Brokers = cluster.ListenAddrs()
		name := topic(t, cfg, 1)
		refuse(cluster, c.times, c.fault)
		p := producer(t, cfg)
		err = p.Publish(within(t, 20*time.Second), name, Record{Value: []byte("v")})
		if (err != nil) != c.given || TooLarge(err) != c.given {
			t.Errorf("%v: %v", c.fault, err)
		}
		if n := testutil.ToFloat64(p.metrics.errors.WithLabelValues(name)); n != float64(c.times) {
			t.Errorf("%v: %g failed attempts are counted, want %d", c.fault, n, c.times)
		}
	}
}
