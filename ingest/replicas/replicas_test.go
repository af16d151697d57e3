package replicas

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/softrec/softrec/ingest/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// master is a server that says how many replicas it has, and notes what it was asked, by connection.
type master struct {
	*miniredis.Miniredis
	mu    sync.Mutex
	have  int
	fault string
	asked map[*server.Peer][]string
}

func newMaster(t *testing.T) *master {
	m := &master{Miniredis: miniredis.RunT(t), asked: map[*server.Peer][]string{}}
	m.Server().SetPreHook(func(c *server.Peer, cmd string, _ ...string) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		cmd = strings.ToLower(cmd)
		m.asked[c] = append(m.asked[c], cmd)
		if cmd != "wait" {
			return false
		}
		if m.fault != "" {
			c.WriteError(m.fault)
		} else {
			c.WriteInt(m.have)
		}
		return true
	})
	return m
}

// order is what came over the connection that carried a set.
func (m *master) order() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, cmds := range m.asked {
		if text := strings.Join(cmds, " "); strings.Contains(text, "set") {
			return text[strings.Index(text, "set"):]
		}
	}
	return ""
}

// forget empties the notes.
func (m *master) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.asked)
}

// clients are a plain one and one of a cluster.
func clients(t *testing.T, m *master) map[string]redis.UniversalClient {
	all := map[string]redis.UniversalClient{}
	for name, cluster := range map[string]bool{"server": false, "cluster": true} {
		rdb := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{m.Addr()}, IsClusterMode: cluster, MaxRetries: -1})
		t.Cleanup(func() { _ = rdb.Close() })
		all[name] = rdb
	}
	return all
}

// send writes two keys of one slot through w and returns what is not safe.
func send(t *testing.T, w *Writer) error {
	t.Helper()
	var cmds [2]*redis.StatusCmd
	faults := w.Exec(t.Context(), []string{"{k}1", "{k}2"}, func(pipe redis.Pipeliner, i int) {
		cmds[i] = pipe.Set(context.Background(), []string{"{k}1", "{k}2"}[i], i, 0)
	})
	for _, c := range cmds {
		if c == nil || c.Err() != nil {
			t.Fatalf("command: %v", c)
		}
	}
	if (faults[0] == nil) != (faults[1] == nil) {
		t.Errorf("one node, two verdicts: %v", faults)
	}
	return faults[0]
}

func TestWriter_Exec(t *testing.T) {
	for name, policy := range map[string]Policy{"none": {}, "one": {1, time.Second}, "two": {2, time.Second}} {
		for have := range 3 {
			m := newMaster(t)
			m.have = have
			for kind, rdb := range clients(t, m) {
				m.forget()
				err := send(t, New(rdb, policy))
				want := "set set"
				if policy.Replicas > 0 {
					want = "set set wait" // on the connection of the writes, behind them
				}
				if got := m.order(); got != want {
					t.Errorf("%s, %s: the connection carried %q, want %q", name, kind, got, want)
				}
				lone := new(MissingError)
				switch {
				case have >= policy.Replicas:
					if err != nil {
						t.Errorf("%s, %s, %d replicas: %v", name, kind, have, err)
					}
				case !errors.As(err, &lone) || lone.Have != have || lone.Want != policy.Replicas || !retry.Retryable(err) || !strings.Contains(err.Error(), "redis.wait_replicas"):
					t.Errorf("%s, %s, %d replicas: %v", name, kind, have, err)
				}
			}
		}
	}
}

func TestWriter_Exec_faults(t *testing.T) {
	m := newMaster(t)
	w := New(clients(t, m)["server"], Policy{1, time.Second})
	for reply, passes := range map[string]bool{
		"ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 ...":    true, // a failover has begun
		"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)": true, // it began while the replicas were waited for
		"NOPERM this user has no permissions to run the 'wait' command":                                false,
	} {
		m.fault = reply
		if err := send(t, w); err == nil || retry.Retryable(err) != passes {
			t.Errorf("%s: %v, retryable %t", reply, err, retry.Retryable(err))
		}
	}
	m.Close()
	faults := w.Exec(t.Context(), []string{"k"}, func(pipe redis.Pipeliner, _ int) { pipe.Set(t.Context(), "k", 1, 0) })
	if !retry.Retryable(faults[0]) {
		t.Errorf("a server that is away: %v", faults[0])
	}
}

func TestWriter_Barrier(t *testing.T) {
	for want, policy := range map[string]Policy{"": {}, "set wait": {1, time.Second}} {
		m := newMaster(t)
		m.have = 1
		w := New(clients(t, m)["server"], policy)
		fault := w.Exec(t.Context(), []string{"k"}, func(pipe redis.Pipeliner, _ int) {
			pipe.Get(t.Context(), "k")
			w.Barrier(t.Context(), pipe, "barrier")
		})[0]
		if got := m.order(); fault != nil || got != want {
			t.Errorf("carried %q, want %q: %v", got, want, fault)
		}
	}
}
