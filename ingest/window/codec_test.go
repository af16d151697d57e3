package window

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/softrec/softrec/schema"
)

// dictionary is a dictionary of a test.
type dictionary []string

func (d dictionary) name(n uint32) (string, bool) {
	if n == 0 || int(n) > len(d) {
		return "", false
	}
	return d[n-1], true
}

func (d dictionary) number(item string) (uint32, bool) {
	for i, s := range d {
		if s == item {
			return uint32(i + 1), true
		}
	}
	return 0, false
}

// roundTrip encodes and decodes a window.
func roundTrip(t *testing.T, entries []schema.Interaction, d dictionary) (back []schema.Interaction, size int) {
	t.Helper()
	b := new(coder).appendBody(nil, nil, entries, d)
	back, unnamed, err := new(coder).readBody(nil, nil, string(b), d)
	if err != nil || unnamed != 0 {
		t.Fatalf("%d entries: %v, %d without a name", len(entries), err, unnamed)
	}
	return back, len(b)
}

func TestBody_comesBack(t *testing.T) {
	all := dictionary{"a", "b", "#c", "d e", "1", "%d"}
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 8))
		s := new(State)
		for i := range rng.IntN(60) {
			rec := Record{Offset: int64(i) * rng.Int64N(1<<40), Interaction: randomInteraction(rng, i*rng.IntN(1+i))}
			s.ApplyOne(Rules{Len: 50, Lateness: time.Hour}, rng.IntN(4), rec)
		}
		entries := s.Entries()
		if diff := cmp.Diff(append([]schema.Interaction{}, entries...), append([]schema.Interaction{}, first(roundTrip(t, entries, all[:rng.IntN(len(all)+1)]))...)); diff != "" {
			t.Fatalf("seed %d:\n%s", seed, diff)
		}
	}
}

func first(entries []schema.Interaction, _ int) []schema.Interaction { return entries }

func TestBody_extremes(t *testing.T) {
	far := schema.Interaction{ItemID: strings.Repeat("ü", 64), Type: strings.Repeat("t", 64), Timestamp: time.UnixMilli(253402300799999).UTC(),
		Value: math.MaxFloat64, Partition: math.MaxInt32, Offset: maxOffset, EventHash: math.MaxUint32, SessionID: "0191f5a0-0000-7000-8000-00000000000F"}
	near := schema.Interaction{ItemID: "a", Type: "view", Timestamp: time.UnixMilli(0).UTC(), Value: -math.SmallestNonzeroFloat64, SessionID: "0191f5a0-0000-7000-8000-00000000000f"}
	for _, entries := range [][]schema.Interaction{{far}, {near}, {near, far}, {near, near, far, far}} {
		got, _ := roundTrip(t, entries, nil)
		if diff := cmp.Diff(entries, got); diff != "" {
			t.Error(diff)
		}
	}
}

// Every cut of a stored window, and every flipped bit, is an error or a window, never a crash and never one beyond its bounds.
func TestBody_damaged(t *testing.T) {
	s := new(State)
	rng := rand.New(rand.NewPCG(1, 9))
	for i := range 30 {
		s.ApplyOne(DefaultRules(), 2, Record{Offset: int64(i) * 1000, Interaction: randomInteraction(rng, i)})
	}
	good, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for cut := range good {
		if new(State).UnmarshalBinary(good[:cut]) == nil {
			t.Errorf("%d of %d bytes were read", cut, len(good))
		}
	}
	for bit := range 8 * len(good) {
		bad := append([]byte{}, good...)
		bad[bit/8] ^= 1 << (bit % 8)
		var back State
		if back.UnmarshalBinary(bad) == nil {
			if _, err := back.MarshalBinary(); err != nil {
				t.Errorf("bit %d: read, and not written: %v", bit, err)
			}
		}
	}
}

// An item whose number the dictionary does not have is left out; nothing else takes its place.
func TestBody_unnamed(t *testing.T) {
	entries := []schema.Interaction{view(1, "a", 1).entry(0), view(2, "b", 2).entry(0), view(3, "a", 3).entry(0)}
	b := new(coder).appendBody(nil, nil, entries, dictionary{"a", "b"})
	got, unnamed, err := new(coder).readBody(nil, nil, string(b), dictionary{"a"})
	if err != nil || unnamed != 1 || items(got) != "a a" || got[1].Offset != 3 {
		t.Errorf("%+v, %d, %v", got, unnamed, err)
	}
}

// What a full window takes is the promise of docs/capacity.md; Redis adds what the formula there says.
func TestBody_size(t *testing.T) {
	d := make(dictionary, 4000)
	for i := range d {
		d[i] = string(binary.BigEndian.AppendUint32(nil, uint32(0x41414141+i)))
	}
	for _, c := range []struct {
		name        string
		items       int           // of the catalogue
		gap, basket int           // mean seconds between baskets, lines in one
		unit        time.Duration // of the clock
		between     int64         // records of others between two baskets of a user
		most        int           // bytes
	}{
		{"baskets of a shop", 4000, 1_200_000, 20, time.Minute, 200_000, 340},
		{"clicks by the second, a thousand events a second", 4000, 60, 1, time.Second, 15_000, 460},
		{"clicks by the millisecond, a thousand events a second", 4000, 60, 1, time.Millisecond, 15_000, 520},
	} {
		rng := rand.New(rand.NewPCG(3, 3))
		sum := 0
		const users = 50
		for range users {
			s := new(State)
			now, offset := time.UnixMilli(1_700_000_000_000), rng.Int64N(1<<30)
			for i := range 50 {
				if i%c.basket == 0 {
					now = now.Add(time.Duration(float64(c.gap) * rng.ExpFloat64() * float64(time.Second))).Truncate(c.unit)
					offset += 1 + int64(float64(c.between)*rng.ExpFloat64())
				}
				offset++
				s.ApplyOne(Rules{Len: 50, Lateness: time.Hour}, 1, Record{Offset: offset, Interaction: schema.Interaction{
					ItemID: d[rng.IntN(c.items)], Type: "view", Timestamp: now, EventID: string(binary.BigEndian.AppendUint64(nil, rng.Uint64())),
				}})
			}
			_, size := roundTrip(t, s.Entries(), d)
			sum += size
		}
		t.Logf("%s: %d bytes", c.name, sum/users)
		if sum/users > c.most {
			t.Errorf("%s: %d bytes a window, want at most %d", c.name, sum/users, c.most)
		}
	}
}

func FuzzWindow(f *testing.F) {
	s := new(State)
	s.Apply(DefaultRules(), 3, []Record{named(view(1, "a", 0), "x"), view(2, "b", 5)})
	b, err := s.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	d := dictionary{"a", "b"}
	f.Add(string(new(coder).appendBody(appendHead(nil, head{version: 4, names: 7}), nil, s.Entries(), d)))
	f.Fuzz(func(t *testing.T, value string) {
		front, body, err := cutHead(value)
		if err != nil {
			return
		}
		h, err := readHead(front, nil)
		if err != nil {
			return
		}
		entries, unnamed, err := new(coder).readBody(nil, h.offsets, body, d)
		if err != nil || unnamed > 0 {
			return
		}
		again := new(coder).appendBody(appendHead(nil, h), h.offsets, entries, d)
		front2, body2, err := cutHead(string(again))
		if err != nil {
			t.Fatal(err)
		}
		h2, err := readHead(front2, nil)
		if err != nil || h2.version != h.version || len(h2.offsets) != len(h.offsets) {
			t.Fatalf("head %+v became %+v, %v", h, h2, err)
		}
		back, _, err := new(coder).readBody(nil, h2.offsets, body2, d)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append([]schema.Interaction{}, entries...), append([]schema.Interaction{}, back...)); diff != "" {
			t.Fatal(diff)
		}
	})
}
