package broker

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

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
	var refused atomic.Int64
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if refused.Add(1) > 3 {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.(*kmsg.ProduceRequest).Topics {
			answer := kmsg.ProduceResponseTopic{Topic: t.Topic, TopicID: t.TopicID}
			for _, p := range t.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, kerr.UnknownServerError.Code
				answer.Partitions = append(answer.Partitions, part)
			}
			res.Topics = append(res.Topics, answer)
		}
		return res, nil, true
	})
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
