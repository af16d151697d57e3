package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"github.com/softrec/softrec/schema"
)

func TestView_empty(t *testing.T) {
	v := NewView(open(t, backends(t)[1]))
	for range 2 {
		if _, ok := v.Item("a"); ok || v.Withdrawn("a") || v.Len() != 0 || v.Version() != 0 || len(v.Newest(5)) != 0 {
			t.Error("an empty view holds something")
		}
		synced(t, v)
	}
}

func TestView_Newest(t *testing.T) {
	s := open(t, backends(t)[1])
	old := put(1, "old", "")
	old.Item.CreatedAt = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	young := put(2, "young", "")
	young.Item.CreatedAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	apply(t, s, young, put(3, "a", ""), put(4, "b", ""), withdraw(5, "gone"), put(6, "a", "again"), old)
	v := synced(t, NewView(s))
	if got := v.Newest(10); !slices.Equal(got, []string{"young", "old", "a", "b"}) {
		t.Errorf("%q", got)
	}
	if got := v.Newest(2); !slices.Equal(got, []string{"young", "old"}) {
		t.Errorf("%q", got)
	}
	if got := v.Newest(-1); len(got) != 0 {
		t.Errorf("%q", got)
	}
	var all []string
	for it := range v.All() {
		if all = append(all, it.ID); len(all) == 3 {
			break
		}
	}
	if !slices.Equal(all, []string{"young", "old", "a"}) {
		t.Errorf("%q", all)
	}
}

func TestView_Queue(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s, ctx := open(t, b), t.Context()
			v := NewView(s)
			behind := func() bool {
				t.Helper()
				pipe := b.rdb.Pipeline()
				ask := v.Queue(ctx, pipe)
				if _, err := pipe.Exec(ctx); err != nil {
					t.Fatal(err)
				}
				is, err := ask()
				if err != nil {
					t.Fatal(err)
				}
				return is
			}
			if behind() {
				t.Error("behind an empty catalogue")
			}
			apply(t, s, put(1, "a", ""))
			if !behind() {
				t.Error("not behind a change")
			}
			if synced(t, v); behind() {
				t.Error("behind after a sync")
			}
			apply(t, s, put(1, "a", ""))
			if behind() {
				t.Error("behind a replay")
			}
		})
	}
}

// Only what changed is read, and a large first load comes in pages.
func TestView_Sync_readsOnlyChanges(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, backend{"", client(t, m.Addr())})
	var log []Change
	for i := range 2*pageSize + 10 {
		log = append(log, put(int64(i), fmt.Sprintf("i%04d", i), "x"))
	}
	apply(t, s, log...)
	read := map[string]int{}
	m.Server().SetPreHook(func(_ *server.Peer, cmd string, args ...string) bool {
		read[cmd]++
		if cmd == "HMGET" {
			read["items"] += len(args) - 1
		}
		return false
	})
	v := synced(t, NewView(s))
	if v.Len() != len(log) || read["items"] != len(log) || read["HMGET"] != 3 {
		t.Errorf("%d items after %v", v.Len(), read)
	}
	apply(t, s, put(1e6, "i0001", "y"), withdraw(1e6+1, "i0002"))
	clear(read)
	synced(t, v)
	if it, _ := v.Item("i0001"); read["items"] != 2 || it.Title != "y" || !v.Withdrawn("i0002") || v.Len() != len(log)-1 {
		t.Errorf("%+v, %d items after %v", it, v.Len(), read)
	}
	clear(read)
	synced(t, v)
	if read["HMGET"] != 0 || read["ZRANGEBYSCORE"] != 0 {
		t.Errorf("nothing had changed: %v", read)
	}
}

// An item that changes again while a long catalogue is fetched page by page moves behind the reader's place: it must be
// met there, or a withdrawn item would look like one the catalogue never had.
func TestView_Sync_meetsWhatMovesMeanwhile(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, backend{rdb: client(t, m.Addr())})
	log := make([]Change, 2*pageSize)
	for i := range log {
		log[i] = put(int64(i), fmt.Sprint("i", i), "")
	}
	log[len(log)-2] = withdraw(int64(len(log)-2), "gone")
	apply(t, s, log...)
	pages := 0
	m.Server().SetPreHook(func(_ *server.Peer, cmd string, args ...string) bool {
		if cmd != "ZRANGEBYSCORE" && cmd != "ZRANGE" {
			return false
		}
		if pages++; pages == 2 {
			keys := []string{s.keys.Items(), s.keys.ItemsLog(), s.keys.ItemsVersion()}
			if _, err := native(m, keys, []string{"new", "0", "5000", "", "gone", "0", "5001", ""}); err != nil {
				t.Error(err)
			}
		}
		return false
	})
	if v := synced(t, NewView(s)); !v.Withdrawn("gone") || v.Len() != 2*pageSize-1 {
		t.Errorf("withdrawn %v, %d items after %d pages", v.Withdrawn("gone"), v.Len(), pages)
	}
}

func TestView_Sync_startsOverAfterRedisWasEmptied(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, backend{"", client(t, m.Addr())})
	apply(t, s, put(1, "a", ""), put(2, "b", ""))
	v := synced(t, NewView(s))
	m.FlushAll()
	apply(t, s, put(3, "c", ""))
	synced(t, v)
	if _, ok := v.Item("a"); ok || v.Len() != 1 || v.Version() != 1 {
		t.Errorf("%d items at version %d", v.Len(), v.Version())
	}
}

func TestView_Sync_leavesOutWhatItCannotRead(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, backend{"", client(t, m.Addr())})
	apply(t, s, put(1, "a", ""), put(2, "b", ""))
	m.HSet(s.keys.Items(), "a", "rubbish")
	var out bytes.Buffer
	v := synced(t, NewView(s, WithLogger(slog.New(slog.NewTextHandler(&out, nil)))))
	if _, ok := v.Item("b"); !ok || v.Len() != 1 || v.Version() != 2 {
		t.Errorf("%d items at version %d", v.Len(), v.Version())
	}
	if !strings.Contains(out.String(), "item=a") {
		t.Errorf("logged %q", out.String())
	}
}

func TestView_Sync_endsWithItsContext(t *testing.T) {
	v := NewView(open(t, backends(t)[1]))
	v.busy <- struct{}{} // somebody syncs and hangs
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := v.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Many callers behind at once cost few reads, and each finds what was applied before it called.
func TestView_Sync_shared(t *testing.T) {
	m := miniredis.RunT(t)
	runNatives(m)
	s := open(t, backend{"", client(t, m.Addr())})
	v := NewView(s)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				id := fmt.Sprintf("g%d-%d", g, i)
				if _, err := s.Apply(t.Context(), []Change{{Partition: g, Offset: int64(i), ID: id, Item: &schema.Item{ID: id}}}); err != nil {
					t.Error(err)
				}
				if err := v.Sync(t.Context()); err != nil {
					t.Error(err)
				}
				if _, ok := v.Item(id); !ok {
					t.Errorf("%s is not there after Sync", id)
				}
			}
		})
	}
	wg.Wait()
	if v.Len() != 400 || v.Version() != 400 {
		t.Errorf("%d items at version %d", v.Len(), v.Version())
	}
}

func TestView_Run_followsWhileManyRead(t *testing.T) {
	m := miniredis.RunT(t)
	runNatives(m)
	s := open(t, backend{"", client(t, m.Addr())})
	v := NewView(s)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := v.Run(ctx, time.Millisecond); err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		wg.Go(func() {
			last := int64(0)
			for ctx.Err() == nil {
				version := v.Version()
				if version < last {
					t.Errorf("version fell from %d to %d", last, version)
				}
				last = version
				for _, id := range v.Newest(20) {
					_, live := v.Item(id)
					_ = live == v.Withdrawn(id) // either may have come later
				}
				for range v.All() {
				}
			}
		})
	}
	const n = 120
	for i := range int64(n) {
		id := fmt.Sprintf("i%d", i%50)
		if i%7 == 0 {
			apply(t, s, withdraw(i, id))
		} else {
			apply(t, s, put(i, id, fmt.Sprint(i)))
		}
	}
	eventually(t, "the last change", func() bool { return v.Version() == n })
	m.SetError("LOADING")
	m.SetError("")
	apply(t, s, put(n, "last", ""))
	eventually(t, "a change after a fault", func() bool { _, ok := v.Item("last"); return ok })
	cancel()
	wg.Wait()
	if err := v.Run(t.Context(), 0); err == nil {
		t.Error("an interval of 0s")
	}
}

func BenchmarkView_Item(b *testing.B) {
	entries := map[string]*entry{}
	ids := make([]string, 100_000)
	for i := range ids {
		ids[i] = fmt.Sprintf("item-%d", i)
		entries[ids[i]] = &entry{item: schema.Item{ID: ids[i]}, version: int64(i)}
	}
	v := NewView(nil)
	v.table.Store(emptyTable().with(1, entries).with(2, map[string]*entry{"new": {item: schema.Item{ID: "new"}}}))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if v.Withdrawn(ids[i%len(ids)]) {
				b.Error("withdrawn")
			}
		}
	})
}

// BenchmarkTable_change is the cost of one change in a catalogue of 100,000, rebuilding included.
func BenchmarkTable_change(b *testing.B) {
	entries := map[string]*entry{}
	for i := range 100_000 {
		id := fmt.Sprintf("item-%d", i)
		entries[id] = &entry{item: schema.Item{ID: id}}
	}
	t := emptyTable().with(1, entries)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprintf("item-%d", i%100_000)
		t = t.with(int64(i), map[string]*entry{id: {item: schema.Item{ID: id}}})
	}
}

// What the small maps say of a withdrawn item is what its entry says, through changes of both layers.
func TestTable_withdrawnIsTheEntrys(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tab, ids := emptyTable(), make([]string, 300)
	for i := range ids {
		ids[i] = fmt.Sprintf("i%d", i)
	}
	for version := range int64(400) {
		changes := map[string]*entry{}
		for range rng.IntN(3) * rng.IntN(40) {
			id := ids[rng.IntN(len(ids))]
			changes[id] = &entry{item: schema.Item{ID: id}, withdrawn: rng.IntN(3) == 0, version: version}
		}
		tab = tab.with(version, changes)
		for _, id := range append(ids, "never") {
			e := tab.get(id)
			if want := e != nil && e.withdrawn; tab.withdrawn(id) != want {
				t.Fatalf("version %d: %s withdrawn %v, want %v", version, id, !want, want)
			}
		}
	}
}
