package broker

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The topic is not there as the group gives out its partitions, and is there a moment later: it was being made anew. On two real brokers
// a source once stood still for good after that, with no partition and no word.
func TestGroupSource_topicComesBackWhileItJoins(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(500*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg := DefaultConfig()
	cfg.Brokers, cfg.MetadataInterval = c.ListenAddrs(), 50*time.Millisecond
	name := topic(t, cfg, 4)
	if err := producer(t, cfg).Publish(within(t, 20*time.Second), name, numbered(0, 40, 10)...); err != nil {
		t.Fatal(err)
	}
	var joining, asked atomic.Int64
	c.ControlKey(int16(kmsg.SyncGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		joining.Store(2) // the leader has looked
		return nil, nil, false
	})
	c.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		joining.CompareAndSwap(0, 1)
		return nil, nil, false
	})
	c.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if joining.Load() != 1 {
			return nil, nil, false
		}
		asked.Add(1)
		res := req.ResponseKind().(*kmsg.MetadataResponse)
		gone := kmsg.NewMetadataResponseTopic()
		gone.Topic, gone.ErrorCode = &name, kerr.UnknownTopicOrPartition.Code
		res.Topics = append(res.Topics, gone)
		return res, nil, true
	})
	src := group(t, cfg, name, name)
	if got := fetchN(t, src, 40); len(got) != 40 {
		t.Errorf("%d records", len(got))
	}
	if asked.Load() == 0 {
		t.Error("the topic was there all the time: the test shows nothing")
	}
}
