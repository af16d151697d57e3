package window

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/softrec/softrec/schema"
)

func named(rec Record, eventID string) Record {
	rec.Interaction.EventID = eventID
	return rec
}

func TestState_Apply(t *testing.T) {
	forget := func(offset int64) Record { return Record{Offset: offset, Forget: true} }
	for _, c := range []struct {
		name string
		recs []Record
		want string
		out  Outcome
	}{
		{"in order", []Record{view(0, "a", 0), view(1, "b", 1)}, "a b", Outcome{Applied: 2}},
		{"repeats stay", []Record{view(0, "a", 0), view(1, "a", 0)}, "a a", Outcome{Applied: 2}},
		{"oldest goes", []Record{view(0, "a", 0), view(1, "b", 1), view(2, "c", 2), view(3, "d", 3)}, "b c d", Outcome{Applied: 4}},
		{"late goes to its place", []Record{view(0, "a", 0), view(1, "c", 9), view(2, "b", 5)}, "a b c", Outcome{Applied: 3}},
		{"equal times keep arrival", []Record{view(0, "a", 5), view(1, "c", 9), view(2, "b", 5)}, "a b c", Outcome{Applied: 3}},
		{"late and full: counted, then cut", []Record{view(0, "b", 5), view(1, "c", 6), view(2, "d", 7), view(3, "a", 1)}, "b c d", Outcome{Applied: 4}},
		{"at the bound", []Record{view(0, "b", 10), view(1, "a", 0)}, "a b", Outcome{Applied: 2}},
		{"past the bound", []Record{view(0, "b", 11), view(1, "a", 0)}, "b", Outcome{Applied: 1, Late: 1}},
		{"event id again", []Record{named(view(0, "a", 0), "x"), named(view(1, "b", 1), "x")}, "a", Outcome{Applied: 1, Duplicates: 1}},
		{"event id again, and late", []Record{named(view(0, "a", 0), "x"), view(1, "b", 9), view(2, "c", 18), named(view(3, "a", 0), "x")}, "a b c", Outcome{Applied: 3, Duplicates: 1}},
		{"part of an event id", []Record{named(view(0, "a", 0), "a#x"), named(view(1, "b", 1), "x")}, "a b", Outcome{Applied: 2}},
		{"offset again", []Record{view(4, "a", 0), view(4, "b", 1), view(3, "c", 2)}, "a", Outcome{Applied: 1, Skipped: 2}},
		{"forget", []Record{named(view(0, "a", 100), "x"), forget(1), named(view(2, "b", 0), "x")}, "b", Outcome{Applied: 2, Forgotten: 1}},
		{"forget a stranger", []Record{forget(1)}, "", Outcome{Forgotten: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := new(State)
			out := s.Apply(Rules{Len: 3, Lateness: 10 * time.Second}, 0, c.recs)
			if got := items(s.Entries()); got != c.want || out != c.out {
				t.Errorf("window %q, outcome %+v; want %q, %+v", got, out, c.want, c.out)
			}
			if v := int64(out.Applied + out.Forgotten); s.Version() != v {
				t.Errorf("version %d, want %d", s.Version(), v)
			}
		})
	}
}

func TestState_keepsWholeMilliseconds(t *testing.T) {
	s := new(State)
	when := time.Date(2026, 11, 23, 12, 0, 0, 123_456_789, time.FixedZone("x", 3600))
	s.ApplyOne(DefaultRules(), 2, Record{Offset: 9, Interaction: schema.Interaction{ItemID: "a", Type: "view", Timestamp: when}})
	want := schema.Interaction{ItemID: "a", Type: "view", Timestamp: time.Date(2026, 11, 23, 11, 0, 0, 123_000_000, time.UTC), Partition: 2, Offset: 9}
	if diff := cmp.Diff(want, s.Entries()[0]); diff != "" || s.Entries()[0].Timestamp.Location() != time.UTC {
		t.Error(diff)
	}
	if s.Offset(2) != 9 || s.Offset(0) != -1 {
		t.Errorf("offsets %d, %d", s.Offset(2), s.Offset(0))
	}
}

func TestState_MarshalBinary(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 7))
	h := makeHistory(rng, 200)
	states := []*State{new(State)}
	for _, d := range deliver(rng, h, false) {
		s := new(State)
		for _, b := range d {
			s.Apply(DefaultRules(), b.Partition, b.Records)
		}
		states = append(states, s)
	}
	for _, s := range states {
		b, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var back State
		if err := back.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.Window("u"), back.Window("u")); diff != "" {
			t.Fatal(diff)
		}
		again, _ := back.MarshalBinary()
		if !bytes.Equal(b, again) {
			t.Fatal("equal states, different bytes")
		}
		for cut := range b {
			_ = new(State).UnmarshalBinary(b[:cut]) // an error or a shorter state, never a crash
		}
	}
}

// MayHold denies no item that a state has, in whichever form it is encoded: UUIDs take 16 bytes.
func TestMayHold(t *testing.T) {
	ids := []string{"a", "item 7", "3f2b8c1e-9d4a-4e6f-8a7b-0c1d2e3f4a5b", "3F2B8C1E-9D4A-4E6F-8A7B-0C1D2E3F4A5B", "3f2b8c1e-9d4a-4e6f-8a7b-0c1d2e3f4a5c"}
	s, lines := new(State), ""
	for i, id := range ids {
		if i == 4 {
			break // not there
		}
		s.ApplyOne(DefaultRules(), 0, view(int64(i), id, i))
		lines += fmt.Sprintf("%d\t%s\tview\t\t0:%d\t\t#\n", at(i).UnixMilli(), id, i)
	}
	packed, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	earlier := append([]byte{textState, 0, 0}, lines...)
	if err := new(State).UnmarshalBinary(earlier); err != nil {
		t.Fatal(err)
	}
	for form, b := range map[string][]byte{"packed": packed, "of an earlier build": earlier} {
		for i, id := range ids {
			if got := MayHold(b, id); got != (i < 4) {
				t.Errorf("%s: may hold %s: %t", form, id, got)
			}
		}
	}
}

func TestState_UnmarshalBinary_refuses(t *testing.T) {
	s := new(State)
	s.ApplyOne(DefaultRules(), 0, view(1, "a", 0))
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "unknown format"},
		{"other format", "\x03\x00\x00", "unknown format"},
		{"cut", "\x02", "cut short"},
		{"cut head", "\x02\x05\x00", "cut short"},
		{"twice the partition", "\x02\x08\x00\x00\x00\x02\x01\x02\x01\x04\x00", "place 1:4 is out of order"},
		{"numbers without names", "\x02\x04\x00\x00\x00\x00\x01\x00\x00\x00\x00", "cut short"},
		{"older, cut", "\x01\x00", "cut short"},
		{"older, version below 0", "\x01e\x02\x00\x06\x02\n", "version -51: out of range"}, // found by the fuzzer
		{"older, twice the partition", "\x01\x00\x02\x02\x02\x02\x04", "partition 1: out of order"},
		{"older, broken window", "\x01\x00\x00nonsense", `entry 0: "nonsense" has no line end`},
	} {
		if err := s.UnmarshalBinary([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if items(s.Entries()) != "a" {
		t.Error("a refused document changed the state")
	}
}

func FuzzState_UnmarshalBinary(f *testing.F) {
	s := new(State)
	s.Apply(DefaultRules(), 3, []Record{named(view(1, "a", 0), "x"), view(2, "b", 5)})
	b, err := s.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{textState, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte("\x01\x02\x02\x00\x06" + "5\ta\tview\t1.5\t0:1\ts\t#e\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var one, two State
		if one.UnmarshalBinary(b) != nil {
			return
		}
		again, err := one.MarshalBinary()
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		if err := two.UnmarshalBinary(again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one.Window("u"), two.Window("u")); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestRules_Validate(t *testing.T) {
	if err := DefaultRules().Validate(); err != nil {
		t.Error(err)
	}
	err := Rules{Len: 0, Lateness: -time.Second}.Validate()
	const want = "window.len 0: want 1 to 10000\nwindow.lateness -1s: want 0s or more"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}
