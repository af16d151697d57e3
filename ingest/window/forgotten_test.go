package window

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// timed is rec, written n seconds after the start.
func timed(rec Record, n int) Record {
	rec.Time = at(n)
	return rec
}

// A user whose records lie in two partitions stays forgotten where the other one is read later, as after a lag or in a rebuild: what is from
// before the tombstone does not come back. It once did.
func TestState_forgottenInAnotherPartition(t *testing.T) {
	forget := func(offset int64, n int) Record { return timed(Record{Offset: offset, Forget: true}, n) }
	for _, c := range []struct {
		name      string
		partition int
		rec       Record
		applied   bool
	}{
		{"from before, in another partition", 1, timed(view(7, "a", 1), 99), false},
		{"from the same moment, in another partition", 1, timed(view(7, "a", 1), 100), true},
		{"from after it, in another partition", 1, timed(view(7, "a", 1), 101), true},
		{"after it in its own partition, by a clock that is behind", 0, timed(view(11, "a", 1), 99), true},
		{"of no time", 1, view(7, "a", 1), true},
	} {
		s := new(State)
		s.Apply(DefaultRules(), 0, []Record{timed(view(9, "old", 1), 98), forget(10, 100)})
		out := s.ApplyOne(DefaultRules(), c.partition, c.rec)
		if want := (Outcome{Applied: 1}); c.applied && out != want {
			t.Errorf("%s: %+v, want it applied", c.name, out)
		}
		if want := (Outcome{Forgotten: 1}); !c.applied && (out != want || len(s.Entries()) != 0 || s.Offset(c.partition) != c.rec.Offset) {
			t.Errorf("%s: %+v, window %v, offset %d; want it passed over", c.name, out, s.Entries(), s.Offset(c.partition))
		}
		if w := s.Window("u"); len(w.Offsets) != len(map[int]bool{0: true, c.partition: true}) {
			t.Errorf("%s: offsets %v", c.name, w.Offsets)
		}
	}
	s := new(State)
	s.ApplyOne(DefaultRules(), 1, forget(1, 200))
	s.ApplyOne(DefaultRules(), 2, forget(1, 100)) // read later, and from before
	if out := s.ApplyOne(DefaultRules(), 0, timed(view(1, "a", 1), 150)); out.Forgotten != 1 {
		t.Errorf("between two tombstones: %+v", out)
	}
	s.ApplyOne(DefaultRules(), 0, forget(2, 300))
	if out := s.ApplyOne(DefaultRules(), 1, timed(view(2, "a", 1), 250)); out.Forgotten != 1 {
		t.Errorf("before the third: %+v", out)
	}
	for _, never := range []time.Time{{}, time.UnixMilli(-1), time.UnixMilli(math.MaxInt64)} {
		s := new(State)
		s.ApplyOne(DefaultRules(), 0, Record{Offset: 1, Forget: true, Time: never})
		if out := s.ApplyOne(DefaultRules(), 1, timed(view(1, "a", 1), 1)); out.Applied != 1 {
			t.Errorf("a tombstone of %d ms: %+v", never.UnixMilli(), out)
		}
	}
}

// The tombstone is stored as the offset of a partition that nobody has: an earlier build reads that, and writes it again.
func TestState_forgottenIsCarriedAlong(t *testing.T) {
	s := new(State)
	s.Apply(DefaultRules(), 3, []Record{timed(Record{Offset: 10, Forget: true}, 100), timed(view(11, "a", 1), 101)})
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	front, body, err := cutHead(string(b))
	if err != nil {
		t.Fatal(err)
	}
	h, err := readHead(front, nil)
	want := []progress{{3, 11}, {forgotten + 3, at(100).UnixMilli()}}
	if diff := cmp.Diff(want, h.offsets, cmp.AllowUnexported(progress{})); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	h.version++ // what an earlier build does with a record of a partition that is new to it
	h.offsets = []progress{{1, 5}, h.offsets[0], h.offsets[1]}
	var back State
	if err := back.UnmarshalBinary(append(appendHead(nil, h), body...)); err != nil {
		t.Fatal(err)
	}
	if out := back.ApplyOne(DefaultRules(), 1, timed(view(6, "b", 1), 99)); out.Forgotten != 1 {
		t.Errorf("after an earlier build had it: %+v", out)
	}
	if w := back.Window("u"); items(w.Entries) != "a" || !cmp.Equal(w.Offsets, map[string]int64{"1": 6, "3": 11}) {
		t.Errorf("%+v", w)
	}
}
