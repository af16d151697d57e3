package window

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
)

// A window goes when its user has done nothing for IdleTTL, together with its offsets; every change starts the time anew.
func TestIdleTTL(t *testing.T) {
	for _, native := range []bool{false, true} {
		m := miniredis.RunT(t)
		if native {
			runNatives(m)
		}
		s := open(t, backend{"", client(t, m.Addr())}, Rules{Len: 3, Lateness: time.Hour, IdleTTL: time.Hour})
		apply(t, s, UserBatch{"u", 0, []Record{view(1, "a", 1)}})
		m.FastForward(50 * time.Minute)
		apply(t, s, UserBatch{"u", 0, []Record{view(1, "a", 1)}}) // a replay that changes nothing is no life sign
		apply(t, s, UserBatch{"u", 0, []Record{view(2, "b", 2)}})
		m.FastForward(50 * time.Minute)
		if got := items(read(t, s, "u").Entries); got != "a b" {
			t.Errorf("native %v: window %q while the user is active", native, got)
		}
		m.FastForward(11 * time.Minute)
		if w := read(t, s, "u"); len(w.Entries) != 0 || w.Version != 0 || len(w.Offsets) != 0 {
			t.Errorf("native %v: window %+v of an idle user", native, w)
		}
		s.rules.IdleTTL = 0
		apply(t, s, UserBatch{"u", 0, []Record{view(3, "c", 3)}})
		if ttl := m.TTL(s.keys.User("u")); ttl != 0 {
			t.Errorf("native %v: time to live %s without a limit", native, ttl)
		}
	}
}

// After an idle window is gone, with the offsets that mark what was applied, a replay from anywhere is applied again: into an
// empty window, so nothing can stand in it twice, and a replay from the start makes it what it was.
func TestIdleTTL_replayCannotDouble(t *testing.T) {
	recs := []Record{named(view(1, "a", 1), "x"), view(2, "b", 2), view(3, "c", 3), view(4, "d", 4)}
	for from := range recs {
		m := miniredis.RunT(t)
		runNatives(m)
		s := open(t, backend{"", client(t, m.Addr())}, Rules{Len: 3, Lateness: time.Hour, IdleTTL: time.Hour})
		apply(t, s, UserBatch{"u", 0, recs})
		before := read(t, s, "u")
		m.FastForward(2 * time.Hour)
		for range 2 { // and the replay once more
			apply(t, s, UserBatch{"u", 0, recs[from:]})
		}
		after := read(t, s, "u")
		seen := map[int64]bool{}
		for _, e := range after.Entries {
			if seen[e.Offset] {
				t.Errorf("from %d: offset %d twice", from, e.Offset)
			}
			seen[e.Offset] = true
		}
		want := before.Entries[max(0, min(from-1, 3)):]
		if diff := cmp.Diff(want, after.Entries); diff != "" {
			t.Errorf("from %d:\n%s", from, diff)
		}
	}
}
