package catalog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/schema"
)

func TestStore_Get(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s, ctx := open(t, b), t.Context()
			mug := schema.Item{
				ID: "mug", Title: "Mug, <blue>\u2028", Categories: []string{"kitchen"}, CreatedAt: time.UnixMilli(5).UTC(),
				Attributes: map[string]any{"price": 4.5, "new": true, "tags": []any{"a", "b"}, "lines": "1\n2"},
			}
			if _, _, found, err := s.Get(ctx, "mug"); found || err != nil {
				t.Errorf("before: %v, %v", found, err)
			}
			if n := apply(t, s, Change{Partition: 1, Offset: 1e15, ID: "mug", Item: &mug}); n != 1 {
				t.Errorf("applied %d", n)
			}
			got, withdrawn, found, err := s.Get(ctx, "mug")
			if diff := cmp.Diff(mug, got); diff != "" || withdrawn || !found || err != nil {
				t.Errorf("%v %v %v %s", withdrawn, found, err, diff)
			}
			apply(t, s, Change{Partition: 1, Offset: 1e15 + 1, ID: "mug"})
			got, withdrawn, found, err = s.Get(ctx, "mug")
			if got.ID != "mug" || got.Title != "" || !withdrawn || !found || err != nil {
				t.Errorf("%+v %v %v %v", got, withdrawn, found, err)
			}
			if v, err := s.Version(ctx); v != 2 || err != nil {
				t.Errorf("version %d, %v", v, err)
			}
			apply(t, s, put(1, "other", ""))
			for id, want := range map[string]int64{"mug": 2, "other": 3, "stranger": 0} {
				if v, err := s.Changed(ctx, id); v != want || err != nil {
					t.Errorf("%s changed at %d, %v; want %d", id, v, err, want)
				}
			}
		})
	}
}

func TestStore_withdrawnItemDoesNotFlashBack(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b)
			log := []Change{put(1, "a", "one"), put(2, "b", "b"), put(3, "a", "two"), withdraw(4, "a"), withdraw(5, "stranger"), put(6, "stranger", "back")}
			if n := apply(t, s, log...); n != len(log) {
				t.Fatalf("applied %d", n)
			}
			before, _ := s.Version(t.Context())
			for from := range log {
				for to := from + 1; to <= len(log); to++ {
					if n := apply(t, s, log[from:to]...); n != 0 {
						t.Fatalf("replay of %d to %d applied %d", from, to, n)
					}
					if _, withdrawn, _, _ := s.Get(t.Context(), "a"); !withdrawn {
						t.Fatalf("replay of %d to %d: the item is back", from, to)
					}
				}
			}
			if after, _ := s.Version(t.Context()); after != before {
				t.Errorf("replays moved the version from %d to %d", before, after)
			}
			// Partitions were added and the item's key moved: the old partition's records stay known.
			apply(t, s, Change{Partition: 11, Offset: 0, ID: "a", Item: &schema.Item{ID: "a", Title: "new"}})
			if n := apply(t, s, log...); n != 0 {
				t.Errorf("replay of the old partition applied %d", n)
			}
			if it, _, _, _ := s.Get(t.Context(), "a"); it.Title != "new" {
				t.Errorf("%+v", it)
			}
		})
	}
}

// The script, its twin, a plain map and a View that syncs now and then must tell the same story.
func TestScriptTwinMapAndViewAgree(t *testing.T) {
	both := backends(t)
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		script, twin := open(t, both[0]), open(t, both[1])
		views := []*View{NewView(script), NewView(twin)}
		truth, done := map[string]*schema.Item{}, [3]int64{}
		log := makeLog(rng, 300)
		for pos := 0; pos < len(log); {
			from := pos - rng.IntN(2)*rng.IntN(pos+1)
			end := min(pos+1+rng.IntN(20), len(log))
			want := 0
			for _, c := range log[from:end] {
				if c.Offset > done[c.Partition] {
					done[c.Partition], truth[c.ID] = c.Offset, c.Item
					want++
				}
			}
			for _, s := range []*Store{script, twin} {
				if got := apply(t, s, log[from:end]...); got != want {
					t.Fatalf("seed %d at %d: applied %d, want %d", seed, pos, got, want)
				}
			}
			pos = end
			if rng.IntN(3) == 0 {
				for _, v := range views {
					checkView(t, synced(t, v), truth)
				}
			}
		}
		for _, key := range []func(schema.Keys) string{schema.Keys.Items, schema.Keys.ItemsLog, schema.Keys.ItemsVersion} {
			if diff := cmp.Diff(stored(t, script, key), stored(t, twin, key)); diff != "" {
				t.Fatalf("seed %d: script and twin differ:\n%s", seed, diff)
			}
		}
	}
}

// makeLog spreads items over three partitions, each item in the one its number says.
func makeLog(rng *rand.Rand, n int) []Change {
	offsets := [3]int64{10, 1_000_000_000_000_000, 0}
	var log []Change
	for i := range n {
		p := rng.IntN(3)
		offsets[p] += 1 + int64(rng.IntN(2))
		c := Change{Partition: p, Offset: offsets[p], ID: fmt.Sprintf("item %d", p+3*rng.IntN(30))}
		if rng.IntN(3) > 0 {
			c.Item = &schema.Item{ID: c.ID, Title: fmt.Sprint(i)}
			if rng.IntN(2) == 0 {
				c.Item.CreatedAt = time.UnixMilli(int64(rng.IntN(10))).UTC()
			}
		}
		log = append(log, c)
	}
	return log
}

func checkView(t *testing.T, v *View, truth map[string]*schema.Item) {
	t.Helper()
	live := 0
	for id, want := range truth {
		got, ok := v.Item(id)
		if ok != (want != nil) || v.Withdrawn(id) != (want == nil) {
			t.Fatalf("%q: live %v, withdrawn %v, want %+v", id, ok, v.Withdrawn(id), want)
		}
		if want != nil {
			live++
			if diff := cmp.Diff(*want, got); diff != "" {
				t.Fatal(diff)
			}
		}
	}
	if v.Len() != live || len(v.Newest(1000)) != live {
		t.Fatalf("%d items, %d in order, want %d", v.Len(), len(v.Newest(1000)), live)
	}
	var last *entry
	for e := range v.table.Load().newest() {
		if last != nil && byAge(last, e) >= 0 {
			t.Fatalf("%+v stands before %+v", last, e)
		}
		last = e
	}
}

func stored(t *testing.T, s *Store, key func(schema.Keys) string) any {
	t.Helper()
	ctx, k := t.Context(), key(s.keys)
	var v any
	var err error
	switch kind := s.rdb.Type(ctx, k).Val(); kind {
	case "hash":
		v, err = s.rdb.HGetAll(ctx, k).Result()
	case "zset":
		v, err = s.rdb.ZRangeWithScores(ctx, k, 0, -1).Result()
	case "string":
		v, err = s.rdb.Get(ctx, k).Result()
	default:
		t.Fatalf("%s is a %s", k, kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestStore_Apply_refuses(t *testing.T) {
	s := open(t, backends(t)[1])
	for _, c := range []struct {
		want   string
		change Change
	}{
		{`change item "": item_id "": is required`, Change{}},
		{`place 0:-1`, Change{ID: "a", Offset: -1}},
		{`place 0:9007199254740993`, Change{ID: "a", Offset: 1<<53 + 1}},
		{`id "b": differs`, Change{ID: "a", Item: &schema.Item{ID: "b"}}},
		{`title`, Change{ID: "a", Item: &schema.Item{ID: "a", Title: "\x00"}}},
	} {
		if _, err := s.Apply(t.Context(), []Change{c.change}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if n, err := s.Apply(t.Context(), nil); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
	if _, err := New(nil, schema.NewKeys("")); err == nil {
		t.Error("no client, no error")
	}
}

func TestStore_faults(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, backend{"", client(t, m.Addr())})
	m.SetError("LOADING Redis is loading the dataset in memory")
	if _, err := s.Apply(t.Context(), []Change{put(1, "a", "")}); !retry.Retryable(err) {
		t.Errorf("apply: %v", err)
	}
	if _, _, _, err := s.Get(t.Context(), "a"); !retry.Retryable(err) || !strings.Contains(err.Error(), `read item "a"`) {
		t.Errorf("get: %v", err)
	}
	if err := NewView(s).Sync(t.Context()); !retry.Retryable(err) {
		t.Errorf("sync: %v", err)
	}
	m.SetError("")
	for _, bad := range []string{"", "x", " 0:1\n{", " 0:1\n[]", " 0:1\n{\"id\":\"b\"}"} {
		m.HSet(s.keys.Items(), "a", bad)
		var corrupt *CorruptError
		if _, _, _, err := s.Get(t.Context(), "a"); !errors.As(err, &corrupt) || corrupt.ID != "a" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	_ = m.Set(s.keys.ItemsVersion(), "many")
	if _, err := s.Version(t.Context()); err == nil {
		t.Error("a version that is no number")
	}
}

func TestStore_cluster(t *testing.T) {
	m := miniredis.RunT(t)
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{m.Addr()}})
	t.Cleanup(func() { _ = rdb.Close() })
	s := open(t, backend{"", rdb})
	var log []Change
	for i := range 3*changesPerCall + 5 {
		log = append(log, put(int64(i), fmt.Sprintf("i%d", i%700), fmt.Sprint(i)))
	}
	if n := apply(t, s, log...); n != len(log) {
		t.Errorf("applied %d", n)
	}
	if v := synced(t, NewView(s)); v.Len() != 700 || v.Version() != int64(len(log)) {
		t.Errorf("%d items at version %d", v.Len(), v.Version())
	}
}

func FuzzDecodeStored(f *testing.F) {
	f.Add("a", " 0:1\n{\"id\":\"a\"}")
	f.Add("a", " 0:1 2:5\n")
	f.Add("a", " 0:1\n{\"id\":\"a\"}\n{\"0\":7}")
	f.Fuzz(func(t *testing.T, id, text string) {
		e, err := decodeStored(id, text)
		if err == nil && e.item.ID != id && id != "" {
			t.Errorf("asked for %q, got %q", id, e.item.ID)
		}
	})
}

func FuzzTakePlace(f *testing.F) {
	f.Add(" 0:15 1:7", "1")
	f.Add(" 11:15 1:x", "1")
	f.Fuzz(func(t *testing.T, places, partition string) {
		if others, last := takePlace(places, partition); last < 0 && len(others) > len(places) {
			t.Errorf("%q grew", others)
		}
	})
}
