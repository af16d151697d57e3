package vocab

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func of(ids ...string) *Vocab {
	v := New()
	for _, id := range ids {
		v.Add(id)
	}
	return v
}

func TestVocab_numbersInOrderOfArrival(t *testing.T) {
	v := of("b", "a", "b", "c")
	for i, id := range []string{"", "b", "a", "c", ""} {
		if got := v.ID(int32(i)); got != id {
			t.Errorf("ID(%d) = %q, want %q", i, got, id)
		}
	}
	if v.ID(-1) != "" || v.Len() != 4 {
		t.Errorf("ID(-1) = %q, Len = %d", v.ID(-1), v.Len())
	}
	if i, ok := v.Lookup("nobody"); ok || i != 0 {
		t.Errorf("unknown id has index %d, %v", i, ok)
	}
	if i, ok := v.Lookup(""); ok || i != 0 {
		t.Errorf("the padding has index %d, %v", i, ok)
	}
}

func TestVocab_refusesWhatCannotNameAnItem(t *testing.T) {
	v := New()
	for _, id := range []string{"", "a\nb", "\xff", strings.Repeat("x", 129)} {
		if i := v.Add(id); i != 0 || v.Len() != 1 {
			t.Errorf("Add(%q) = %d with %d entries", id, i, v.Len())
		}
	}
}

func TestVocab_cloneIsIndependent(t *testing.T) {
	v := of("a")
	c := v.Clone()
	v.Add("b")
	c.Add("c")
	c.Add("d")
	if v.ID(2) != "b" || c.ID(2) != "c" || v.Len() != 3 || c.Len() != 4 {
		t.Errorf("origin %v, clone %v", v.ids, c.ids)
	}
	if _, ok := v.Lookup("c"); ok {
		t.Error("the origin knows the clone's item")
	}
}

// TestVocab_readersOfACloneDoNotSeeTheWriter is for the race detector.
func TestVocab_readersOfACloneDoNotSeeTheWriter(t *testing.T) {
	v := of("a", "b")
	published := v.Clone()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				if _, ok := published.Lookup(fmt.Sprint(i)); ok {
					t.Errorf("reader found %d", i)
				}
			}
		})
	}
	for i := range 1000 {
		v.Add(fmt.Sprint(i))
	}
	wg.Wait()
}

func TestVocab_codec(t *testing.T) {
	for _, v := range []*Vocab{New(), of("a"), of("z", "ä", "85123A", "a b")} {
		b, err := v.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		got := New()
		if err := got.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got.ids) != fmt.Sprint(v.ids) || len(got.index) != len(v.index) {
			t.Errorf("read %v, want %v", got.ids, v.ids)
		}
	}
}

func TestVocab_codecRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"a":          "cut off",
		"a\n\n":      "line 2",
		"a\nb\na\n":  "line 3",
		"a\xff\n":    "line 1",
		"\x00\nab\n": "line 1",
	} {
		v := of("kept")
		err := v.UnmarshalBinary([]byte(in))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", in, err, want)
		}
		if v.ID(1) != "kept" {
			t.Errorf("%q changed the vocabulary", in)
		}
	}
}

func FuzzVocab_UnmarshalBinary(f *testing.F) {
	f.Add([]byte("a\nb\n"))
	f.Add([]byte(""))
	f.Add([]byte("a\na\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		v := New()
		if v.UnmarshalBinary(in) != nil {
			return
		}
		out, err := v.MarshalBinary()
		if err != nil || !bytes.Equal(in, out) {
			t.Errorf("read %q, wrote %q, %v", in, out, err)
		}
		for i := 1; i < v.Len(); i++ {
			if got, ok := v.Lookup(v.ID(int32(i))); !ok || got != int32(i) {
				t.Errorf("index %d is found at %d", i, got)
			}
		}
	})
}

func ExampleVocab() {
	v := New()
	v.Add("mug")
	v.Add("lamp")
	i, ok := v.Lookup("lamp")
	fmt.Println(i, ok, v.ID(1), v)
	// Output: 2 true mug vocab of 2 items
}
