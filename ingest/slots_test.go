package ingest

import (
	"context"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/replicas"
)

// resharding moves slots of a Redis Cluster from one master to another, step by step.
type resharding struct {
	b       *bench
	cluster *redis.ClusterClient
	masters map[string]*redis.Client // by node id
}

func newResharding(b *bench) *resharding {
	b.t.Helper()
	r := &resharding{b: b, cluster: b.redis.(*redis.ClusterClient), masters: map[string]*redis.Client{}}
	found := make(chan [2]any, 16)
	err := r.cluster.ForEachMaster(b.ctx, func(ctx context.Context, node *redis.Client) error {
		id, err := node.Do(ctx, "cluster", "myid").Text()
		found <- [2]any{id, node}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	for close(found); len(found) > 0; {
		one := <-found
		r.masters[one[0].(string)] = one[1].(*redis.Client)
	}
	return r
}

func (r *resharding) do(node *redis.Client, args ...any) {
	r.b.t.Helper()
	if err := node.Do(r.b.ctx, args...).Err(); err != nil {
		r.b.t.Fatalf("%v: %v", args, err)
	}
}

// ownerOf is the master that has a key, and any other one.
func (r *resharding) ownerOf(key string) (owner, other string, slot int64) {
	r.b.t.Helper()
	slot, err := r.cluster.ClusterKeySlot(r.b.ctx, key).Result()
	if err != nil {
		r.b.t.Fatal(err)
	}
	node, err := r.cluster.MasterForKey(r.b.ctx, key)
	if err != nil {
		r.b.t.Fatal(err)
	}
	for id, m := range r.masters {
		if m.Options().Addr == node.Options().Addr {
			owner = id
		} else {
			other = id
		}
	}
	return owner, other, slot
}

// begin opens a slot for its way: from here on the old owner says ASK for a key that it has no more.
func (r *resharding) begin(slot int64, from, to string) {
	r.b.t.Helper()
	r.do(r.masters[to], "cluster", "setslot", slot, "importing", from)
	r.do(r.masters[from], "cluster", "setslot", slot, "migrating", to)
}

// carry takes the keys of a slot to the new owner.
func (r *resharding) carry(slot int64, from, to string) (keys int) {
	r.b.t.Helper()
	host, port, err := net.SplitHostPort(r.masters[to].Options().Addr)
	if err != nil {
		r.b.t.Fatal(err)
	}
	for {
		some, err := r.masters[from].ClusterGetKeysInSlot(r.b.ctx, int(slot), 100).Result()
		if err != nil {
			r.b.t.Fatal(err)
		}
		if len(some) == 0 {
			return keys
		}
		for _, key := range some {
			r.do(r.masters[from], "migrate", host, port, key, 0, 5000)
			keys++
		}
	}
}

// end makes all masters know the new owner: the old one says MOVED.
func (r *resharding) end(slot int64, to string) {
	r.b.t.Helper()
	r.do(r.masters[to], "cluster", "setslot", slot, "node", to)
	for id, m := range r.masters {
		if id != to {
			r.do(m, "cluster", "setslot", slot, "node", to)
		}
	}
}

// Slots of a Redis Cluster move to another node while ingest writes to them: those of windows and that of the dictionary. The cluster
// answers ASK, TRYAGAIN and MOVED meanwhile. Nothing is lost, nothing is doubled. Where replicas are waited for, ingest stands still at
// a slot that is half moved, and goes on when it is moved.
func TestConsumer_slotsMove(t *testing.T) {
	if !several(os.Getenv("TEST_REDIS")) || os.Getenv("TEST_KAFKA") == "" {
		t.Skip("wants a Redis Cluster: .ci/servers.sh with-several")
	}
	for name, safe := range map[string]replicas.Policy{"nothing is waited for": {}, "replicas are waited for": {Replicas: 1, Timeout: time.Second}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "")
			b.patient(4 * time.Minute)
			b.safe = safe
			l := newJournal(b, 60)
			reg := prometheus.NewRegistry()
			c := b.resume(reg)
			p := b.producer()
			publish := func(n int) {
				t.Helper()
				if err := l.publish(p, n); err != nil {
					t.Fatal(err)
				}
			}
			publish(600)
			b.committed(b.cfg.Topic)
			r := newResharding(b)
			var flowing atomic.Bool
			flowing.Store(true)
			done := make(chan error, 1)
			go func() {
				var err error
				for err == nil && flowing.Load() {
					err = l.publish(p, 20)
				}
				done <- err
			}()
			keys := []string{b.keys.Names(), b.keys.Applied(b.cfg.Topic)}
			for n := range 6 {
				keys = append(keys, b.keys.User(l.user(n)))
			}
			moved := 0
			for _, key := range keys {
				from, to, slot := r.ownerOf(key)
				what := "softrec_ingest_records_total" // the client is led to the new node
				if safe.Replicas > 0 && key != b.keys.Applied(b.cfg.Topic) {
					what = "softrec_ingest_retries_total" // WAIT speaks for one node: ingest stands still
				}
				before := counted(t, reg, what)
				r.begin(slot, from, to)
				moved += r.carry(slot, from, to)
				b.eventually("ingest meets the slot that is on its way", func() bool { return counted(t, reg, what) > before })
				r.end(slot, to)
			}
			flowing.Store(false)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			b.eventually("the client of the test has heard of it", func() bool {
				_, err := b.windows().Window(b.ctx, l.user(0))
				return err == nil
			})
			l.settled()
			if moved < len(keys) {
				t.Errorf("%d keys moved, want %d", moved, len(keys))
			}
			c.end(t)
		})
	}
}
