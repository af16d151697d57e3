package window

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// sameWindows holds what two Stores read of a user to each other, and to want.
func sameWindows(t *testing.T, what, want string, stores ...*Store) {
	t.Helper()
	for i, s := range stores {
		if got := items(read(t, s, "u").Entries); got != want {
			t.Errorf("%s: store %d reads %q, want %q", what, i, got, want)
		}
	}
}

// fresh is another process's Store on the same windows.
func fresh(t *testing.T, s *Store) *Store {
	t.Helper()
	other, err := New(s.rdb, s.keys, s.rules)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

func TestNames_readersFollow(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b, DefaultRules())
			reader := fresh(t, s)
			apply(t, s, UserBatch{"u", 0, []Record{view(1, "a", 1)}})
			sameWindows(t, "first", "a", s, reader, fresh(t, s))
			apply(t, s, UserBatch{"u", 0, []Record{view(2, "ü x", 2)}})
			apply(t, reader, UserBatch{"u", 0, []Record{view(3, "c", 3)}}) // and write
			sameWindows(t, "then", "a ü x c", s, reader, fresh(t, s))
		})
	}
}

// Many processes that meet the same and other new items at once agree on every number.
func TestNames_manyWriters(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			first := open(t, b, DefaultRules())
			var all sync.WaitGroup
			for w := range 6 {
				s := fresh(t, first)
				all.Go(func() {
					for i := range 20 {
						item := fmt.Sprint("i", i)
						if i%3 == w%3 {
							item = fmt.Sprint("own", w, "-", i)
						}
						batch := []UserBatch{{fmt.Sprint("u", w), 0, []Record{view(int64(i), item, i)}}}
						if _, err := s.Apply(context.Background(), batch); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			for w := range 6 {
				entries := read(t, first, fmt.Sprint("u", w)).Entries
				for i, e := range entries {
					want := fmt.Sprint("i", i)
					if i%3 == w%3 {
						want = fmt.Sprint("own", w, "-", i)
					}
					if e.ItemID != want {
						t.Fatalf("writer %d, entry %d: %q, want %q", w, i, e.ItemID, want)
					}
				}
			}
			text, err := b.rdb.GetRange(t.Context(), first.keys.Names(), 0, -1).Result()
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for line := range strings.Lines(text) {
				if seen[line] {
					t.Errorf("%q has two numbers", line)
				}
				seen[line] = true
			}
		})
	}
}

// A dictionary that has lost its end, or all of it, gets it back from a process that knows it.
func TestNames_lostEnd(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			for _, keep := range []int{0, 3, -2} {
				s, ctx := open(t, b, DefaultRules()), t.Context()
				apply(t, s, UserBatch{"u", 0, []Record{view(1, "a", 1), view(2, "b", 2)}})
				whole, _ := b.rdb.GetRange(ctx, s.keys.Names(), 0, -1).Result()
				left := whole[:max(0, (keep+len(whole))%len(whole))]
				b.rdb.Del(ctx, s.keys.Names())
				if left != "" {
					b.rdb.Set(ctx, s.keys.Names(), left, 0)
				}
				apply(t, s, UserBatch{"v", 0, []Record{view(1, "c", 1)}}) // a new item: it has to look
				sameWindows(t, fmt.Sprint(keep), "a b", s, fresh(t, s))
			}
		})
	}
}

// Numbers of a dictionary that is gone for good are nobody's: their entries are left out, never read as other items.
func TestNames_anotherDictionary(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s, ctx := open(t, b, DefaultRules()), t.Context()
			apply(t, s, UserBatch{"u", 0, []Record{view(1, "a", 1), view(2, "b", 2)}})
			b.rdb.Del(ctx, s.keys.Names())
			other := fresh(t, s)
			apply(t, other, UserBatch{"v", 0, []Record{view(1, "x", 1), view(2, "y", 2)}})
			sameWindows(t, "other", "", fresh(t, s))
			apply(t, s, UserBatch{"u", 0, []Record{view(2, "b", 2), view(3, "z", 3)}}) // sees that its copy is not the one that counts
			sameWindows(t, "after a write", "z", s, other, fresh(t, s))
			if w := read(t, s, "u"); w.Version != 3 || w.Offsets["0"] != 3 {
				t.Errorf("version %d, offsets %v", w.Version, w.Offsets)
			}
		})
	}
}
