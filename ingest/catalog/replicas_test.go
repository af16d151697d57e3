package catalog

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"github.com/softrec/softrec/ingest/replicas"
	"github.com/softrec/softrec/ingest/retry"
)

// What too few replicas have is not done. What was done before is waited for again, behind a write of its own.
func TestStore_Apply_waitsForReplicas(t *testing.T) {
	m := miniredis.RunT(t)
	var have, barriers atomic.Int64
	s, err := New(client(t, m.Addr()), open(t, backend{"", client(t, m.Addr())}).keys, WithReplicas(replicas.Policy{Replicas: 2, Timeout: time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	m.Server().SetPreHook(func(c *server.Peer, cmd string, args ...string) bool {
		switch strings.ToLower(cmd) {
		case "set":
			if args[0] == s.keys.ItemsSync() {
				barriers.Add(1)
			}
		case "wait":
			c.WriteInt(int(have.Load()))
			return true
		}
		return false
	})
	have.Store(1)
	for range 2 {
		lone := new(replicas.MissingError)
		if _, err := s.Apply(t.Context(), []Change{put(1, "a", "first")}); !errors.As(err, &lone) || !retry.Retryable(err) {
			t.Errorf("with one replica of two: %v", err)
		}
	}
	have.Store(2)
	barriers.Store(0)
	if n := apply(t, s, put(1, "a", "first")); n != 0 || barriers.Load() == 0 {
		t.Errorf("applied %d, want 0 as it was there, and a write to wait for: %d", n, barriers.Load())
	}
	if n := apply(t, s, put(2, "a", "second")); n != 1 {
		t.Errorf("applied %d", n)
	}
}
