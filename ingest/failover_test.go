package ingest

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/replicas"
	"github.com/softrec/softrec/ingest/window"
)

// masterName is what .ci/servers.sh calls it.
const masterName = "recommendations"

// A master of Redis is cut off from its replicas, goes on answering, and is killed: what it answered in that time is gone, with every
// failover. With redis.wait_replicas nothing of it was committed, and ingest applies it anew. Without, it is lost: that is the proof that
// this test would see it.
func TestConsumer_aRedisMasterDies(t *testing.T) {
	sentinels := os.Getenv("TEST_SENTINELS")
	if sentinels == "" || os.Getenv("TEST_KAFKA") == "" {
		t.Skip("wants sentinels and servers that it may kill: .ci/servers.sh with")
	}
	watched := func(o *redis.UniversalOptions) { o.Addrs, o.MasterName = strings.Split(sentinels, ","), masterName }
	t.Run("replicas are waited for", func(t *testing.T) {
		f := newFailover(t, replicas.Policy{Replicas: 1, Timeout: 500 * time.Millisecond}, watched)
		f.consume()
		f.failOver()
		f.l.settled()
		if n := counted(t, f.reg, "softrec_window_script_loads_total"); n <= f.loaded {
			t.Errorf("the script was loaded %v times, and %v times before the failover: the new master cannot have had it", n, f.loaded)
		}
		f.revive()
	})
	t.Run("nothing is waited for", func(t *testing.T) {
		f := newFailover(t, replicas.Policy{}, watched)
		f.consume()
		f.failOver()
		f.b.committed(f.b.cfg.Topic)
		lost, doubled := f.l.count()
		t.Logf("%d events acknowledged, %d lost, %d doubled", f.l.sent, lost, doubled)
		if lost == 0 || doubled > 0 {
			t.Errorf("%d lost, %d doubled: want a loss that wait_replicas prevents, or the other half of this test proves nothing", lost, doubled)
		}
		f.revive()
	})
	t.Run("nothing is waited for, and what is lost is read again", func(t *testing.T) {
		f := newFailover(t, replicas.Policy{}, watched)
		f.b.resume(f.reg)
		f.failOver()
		f.l.settled()
		if n := counted(t, f.reg, "softrec_ingest_rewinds_total"); n == 0 {
			t.Error("nothing was read again")
		}
		f.revive()
	})
}

// The same with a Redis Cluster: the node that has the dictionary of items, a third of the windows beside it, dies.
func TestConsumer_aNodeOfTheClusterDies(t *testing.T) {
	if !several(os.Getenv("TEST_REDIS")) || os.Getenv("TEST_SERVERS") == "" || os.Getenv("TEST_KAFKA") == "" {
		t.Skip("wants a Redis Cluster whose nodes it may kill: .ci/servers.sh with-several")
	}
	f := newFailover(t, replicas.Policy{Replicas: 1, Timeout: 500 * time.Millisecond}, func(*redis.UniversalOptions) {})
	f.consume()
	f.failOver()
	f.revive() // a third of the cluster has no replica until then
	f.l.settled()
}

// failover is a consumer on a Redis whose master dies.
type failover struct {
	t       *testing.T
	b       *bench
	l       *journal
	reg     *prometheus.Registry // of the consumer
	p       *broker.Producer
	victim  string
	copies  int
	missing atomic.Int64 // calls that too few replicas had
	loaded  float64      // times the script was given to the first master
}

func newFailover(t *testing.T, safe replicas.Policy, change func(*redis.UniversalOptions)) *failover {
	t.Helper()
	b := newBench(t, "")
	b.patient(4 * time.Minute)
	b.safe = safe
	b.via = func(o *redis.UniversalOptions) {
		change(o)
		o.DialTimeout, o.ReadTimeout = 10*time.Second, time.Minute // a server that is killed refuses at once
	}
	b.redis = b.openRedis(b.via)
	return &failover{t: t, b: b, l: newJournal(b, 60), reg: prometheus.NewRegistry(), p: b.producer()}
}

// consume starts a consumer that goes by what is committed in Kafka alone.
func (f *failover) consume() {
	f.t.Helper()
	b := f.b
	win, err := window.New(b.redis, b.keys, b.rules, window.WithReplicas(b.safe), window.WithRegisterer(f.reg))
	if err != nil {
		f.t.Fatal(err)
	}
	b.consumeFrom(b.source(b.cfg.Topic), windowsFunc(func(ctx context.Context, batch []window.UserBatch) (window.Outcome, error) {
		out, err := win.Apply(ctx, batch)
		if lone := new(replicas.MissingError); errors.As(err, &lone) {
			f.missing.Add(1)
		}
		return out, err
	}))
}

// node is a client of the server that has the dictionary now.
func (f *failover) node() (*redis.Client, error) {
	if cluster, ok := f.b.redis.(*redis.ClusterClient); ok {
		return cluster.MasterForKey(f.b.ctx, f.b.keys.Names())
	}
	return f.b.redis.(*redis.Client), nil // it follows the sentinels
}

// copiesOf is how many replicas the server with the dictionary has, -1 when it does not answer.
func (f *failover) copiesOf() int {
	node, err := f.node()
	if err != nil {
		return -1
	}
	info, err := node.Info(f.b.ctx, "replication").Result()
	if err != nil {
		return -1
	}
	return strings.Count(info, "state=online")
}

func (f *failover) publish(n int) {
	f.t.Helper()
	if err := f.l.publish(f.p, n); err != nil {
		f.t.Fatal(err)
	}
}

// failOver cuts the master off from its replicas, publishes, kills it and publishes more. Where replicas are waited for, nothing of
// what was published to the lone master may have been committed.
func (f *failover) failOver() {
	f.t.Helper()
	f.publish(2000)
	f.b.committed(f.b.cfg.Topic)
	node, err := f.node()
	if err != nil {
		f.t.Fatal(err)
	}
	f.victim, f.loaded = serverName(f.t, node), counted(f.t, f.reg, "softrec_window_script_loads_total")
	f.b.eventually("replicas that are in step", func() bool { f.copies = f.copiesOf(); return f.copies > 0 })
	// No replica may ask for a copy any more, and those that have one are sent away.
	for _, cmd := range [][]any{{"acl", "setuser", "default", "-psync", "-sync"}, {"client", "kill", "type", "replica"}} {
		if err := node.Do(f.b.ctx, cmd...).Err(); err != nil {
			f.t.Fatalf("%v: %v", cmd, err)
		}
	}
	f.b.eventually("a master without replicas", func() bool { return f.copiesOf() == 0 })
	f.publish(1000)
	if f.b.safe.Replicas > 0 {
		f.b.eventually("the lone master is not enough", func() bool { return f.missing.Load() > 0 })
		lag, err := broker.Lag(f.b.ctx, f.b.kafka, f.b.cfg.Group, f.b.cfg.Topic)
		if err != nil {
			f.t.Fatal(err)
		}
		var waiting int64
		for _, n := range lag {
			waiting += n
		}
		f.t.Logf("%d of 1000 records wait for a replica", waiting)
		if waiting == 0 {
			f.t.Error("everything is committed, though no replica has it")
		}
	} else {
		f.b.committed(f.b.cfg.Topic)
	}
	control(f.t, "kill", f.victim)
	killed := time.Now()
	f.publish(1000)
	f.b.eventually("another master", func() bool { return f.b.redis.StrLen(f.b.ctx, f.b.keys.Names()).Err() == nil })
	f.t.Logf("another master after %s", time.Since(killed).Round(100*time.Millisecond))
	f.publish(1000)
}

// revive starts the dead server again, as a replica, and waits until there are as many as before.
func (f *failover) revive() {
	f.t.Helper()
	control(f.t, "again", f.victim)
	f.b.eventually("as many replicas as before", func() bool { return f.copiesOf() >= f.copies })
}
