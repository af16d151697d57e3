package window

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

// What too few replicas have is not done, and is written again, not skipped: WAIT waits for what its connection has written.
func TestStore_Apply_waitsForReplicas(t *testing.T) {
	m := miniredis.RunT(t)
	var have, writes atomic.Int64
	m.Server().SetPreHook(func(c *server.Peer, cmd string, args ...string) bool {
		switch strings.ToLower(cmd) {
		case "evalsha":
			if len(args) == 3+swapValues { // of a window, not of the dictionary
				writes.Add(1)
			}
		case "wait":
			c.WriteInt(int(have.Load()))
			return true
		}
		return false
	})
	s := open(t, backend{"", client(t, m.Addr())}, DefaultRules())
	safe, err := New(s.rdb, s.keys, s.rules, WithReplicas(replicas.Policy{Replicas: 1, Timeout: time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	have.Store(1)
	if out := apply(t, safe, UserBatch{"u", 0, []Record{view(1, "a", 1)}}); out.Applied != 1 {
		t.Fatalf("with a replica: %+v", out)
	}
	have.Store(0)
	batch := []UserBatch{{"u", 0, []Record{view(2, "a", 2)}}}
	for try := range 3 {
		writes.Store(0)
		out, err := safe.Apply(t.Context(), batch)
		lone := new(replicas.MissingError)
		if !errors.As(err, &lone) || !retry.Retryable(err) || out.Total() != 0 {
			t.Errorf("try %d without a replica: %+v, %v", try, out, err)
		}
	}
	if got := items(read(t, s, "u").Entries); got != "a" && got != "a a" {
		t.Errorf("window %q", got)
	}
	have.Store(1)
	writes.Store(0)
	out, err := safe.Apply(t.Context(), batch)
	if err != nil || out.Applied+out.Skipped != 1 || writes.Load() == 0 {
		t.Errorf("with a replica again: %+v, %v, %d writes", out, err, writes.Load())
	}
	writes.Store(0)
	before := dump(t, s, "u")
	if out, err = safe.Apply(t.Context(), batch); err != nil || out != (Outcome{Skipped: 1}) || writes.Load() != 1 {
		t.Errorf("once more: %+v, %v, %d writes, want one for what was skipped", out, err, writes.Load())
	}
	if after := dump(t, s, "u"); after != before {
		t.Error("the repeated write changed the window")
	}
	if got := items(read(t, s, "u").Entries); got != "a a" {
		t.Errorf("window %q", got)
	}
}
