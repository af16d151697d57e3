package catalog

import (
	"context"
	"errors"
	"testing"
)

// An item that was withdrawn and is put again counts from where the interactions end then, through later puts and a reading of the
// whole topic; one that was never withdrawn counts always.
func TestView_returns(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b)
			end := int64(10)
			s.ends = func(context.Context) (map[int]int64, error) { return map[int]int64{0: end, 1: 2 * end}, nil }
			hidden := func(want bool, partition int, position int64) {
				t.Helper()
				if got := synced(t, NewView(s)).Hidden("a", partition, position); got != want {
					t.Errorf("position %d of partition %d: hidden %v, want %v", position, partition, got, want)
				}
			}
			apply(t, s, put(1, "a", "one"), put(2, "other", "other"))
			hidden(false, 0, 0)
			apply(t, s, withdraw(3, "a"))
			hidden(true, 0, 1<<40)
			end = 100
			log := []Change{put(1, "a", "one"), put(2, "other", "other"), withdraw(3, "a"), put(4, "a", "two")}
			apply(t, s, log...)
			hidden(true, 0, 99)
			hidden(false, 0, 100)
			hidden(true, 1, 199)
			hidden(false, 2, 0)
			end = 500
			apply(t, s, log...) // read again
			apply(t, s, put(5, "a", "three"))
			hidden(true, 0, 99)
			hidden(false, 0, 100)
			if v := synced(t, NewView(s)); v.Hidden("other", 0, 0) || v.Hidden("stranger", 0, 0) {
				t.Error("an item that was never withdrawn is hidden")
			}
			if it, _, _, err := s.Get(t.Context(), "a"); err != nil || it.Title != "three" {
				t.Errorf("%+v, %v", it, err)
			}
			apply(t, s, withdraw(6, "a"), put(7, "a", "four")) // in one call
			hidden(true, 0, 499)
			hidden(false, 0, 500)
			s.ends = func(context.Context) (map[int]int64, error) { return nil, errors.New("no broker answers") }
			if _, err := s.Apply(t.Context(), []Change{put(8, "a", "five"), withdraw(9, "a"), put(10, "a", "six")}); err == nil {
				t.Error("an item came back though nobody knows from where on it counts")
			}
			hidden(true, 0, 1<<40)
		})
	}
}

// A tombstone that a later record has overtaken withdraws nothing any more.
func TestStore_Standing(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b)
			log := []Change{withdraw(1, "a"), withdraw(2, "b"), put(3, "a", "back"), withdraw(4, "c"), withdraw(5, "c")}
			apply(t, s, log...)
			got, err := s.Standing(t.Context(), log)
			if err != nil || len(got) != 2 || got[0].ID != "b" || got[1].Offset != 5 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// A tombstone is a repetition where its item is withdrawn by another one, from whichever partition, and not by itself.
func TestStore_Repeated(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b)
			apply(t, s, withdraw(1, "a"), withdraw(2, "b"), put(3, "b", "back"), withdraw(4, "c"))
			elsewhere := withdraw(1, "c")
			elsewhere.Partition++
			got, err := s.Repeated(t.Context(), []Change{withdraw(1, "a"), withdraw(5, "a"), withdraw(5, "b"), withdraw(3, "c"), elsewhere, withdraw(5, "new"), put(6, "a", "one")})
			if err != nil || len(got) != 2 || got[0].ID != "a" || got[0].Offset != 5 || got[1].ID != "c" || got[1].Partition != elsewhere.Partition {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// The small map of items that came back says what their entries say, through changes of both layers.
func TestTable_hidesAsTheEntryDoes(t *testing.T) {
	tab := emptyTable()
	for version := range int64(300) {
		id := string(rune('a' + version%7*version%19))
		e := &entry{withdrawn: version%3 == 0, version: version}
		e.item.ID = id
		if version%3 == 1 {
			e.since = map[int]int64{0: version}
		}
		changes := map[string]*entry{id: e}
		for i := range version % 70 { // fills the fresh layer
			other := "x" + string(rune('a'+i))
			changes[other] = &entry{version: version}
			changes[other].item.ID = other
		}
		tab = tab.with(version+1, changes)
		for _, position := range []int64{version - 1, version, version + 1} {
			if got, want := tab.hides(id, 0, position), e.hides(0, position); got != want {
				t.Fatalf("version %d: %s at %d hidden %v, want %v", version, id, position, got, want)
			}
		}
	}
}
