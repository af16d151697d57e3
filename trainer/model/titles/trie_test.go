package titles_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/softrec/softrec/trainer/model/titles"
)

// same fails the test unless got equals want; nil and empty are the same.
func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s: -want +got\n%s", what, diff)
	}
}

func insert(t *testing.T, trie *titles.Trie, entries ...titles.Entry) {
	t.Helper()
	if err := trie.InsertAll(entries); err != nil {
		t.Fatal(err)
	}
}

// paths lists every allowed path of a view with the items at its end.
func paths(v titles.View) map[string][]string {
	out := map[string][]string{}
	var walk func(c titles.Cursor, prefix []int32) int
	walk = func(c titles.Cursor, prefix []int32) int {
		ends := 0
		if items := c.Items(); len(items) > 0 {
			out[fmt.Sprint(prefix)] = items
			ends++
		}
		for _, tok := range c.Children(nil) {
			below := walk(c.Child(tok), append(slices.Clone(prefix), tok))
			if below == 0 {
				panic(fmt.Sprintf("path %v and %d leads nowhere", prefix, tok))
			}
			ends += below
		}
		return ends
	}
	walk(v.Root(), nil)
	return out
}

// want is what paths must give for items with these titles.
func want(catalogue map[string][]int32, exclude ...string) map[string][]string {
	out := map[string][]string{}
	for item, ids := range catalogue {
		if !slices.Contains(exclude, item) {
			out[fmt.Sprint(ids)] = append(out[fmt.Sprint(ids)], item)
		}
	}
	for _, items := range out {
		slices.Sort(items)
	}
	return out
}

func randomTitle(r *rand.Rand) []int32 {
	out := make([]int32, 1+r.IntN(4))
	for i := range out {
		out[i] = int32(r.IntN(3))
	}
	return out
}

func TestTrieEqualsAFreshOneAfterAnyChanges(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		trie, catalogue := titles.NewTrie(), map[string][]int32{}
		for range 80 {
			item := fmt.Sprintf("item-%02d", r.IntN(20))
			_, had := catalogue[item]
			if r.IntN(3) == 0 {
				same(t, "deleted", had, trie.Delete(item))
				delete(catalogue, item)
			} else {
				catalogue[item] = randomTitle(r)
				insert(t, trie, titles.Entry{Item: item, Tokens: catalogue[item]})
			}
			depth := 0
			for _, ids := range catalogue {
				depth = max(depth, len(ids))
			}
			same(t, "Len", len(catalogue), trie.Len())
			same(t, "Depth", depth, trie.Depth())
			same(t, "paths", want(catalogue), paths(trie.View()))
		}
		exclude := slices.Sorted(maps.Keys(catalogue))
		exclude = append(exclude[:len(exclude)/2], "unknown")
		v := trie.View(exclude...)
		same(t, "paths without some", want(catalogue, exclude...), paths(v))
		same(t, "Len without some", len(catalogue)-len(exclude)+1, v.Len())
	}
}

func TestTrieNext(t *testing.T) {
	trie := titles.NewTrie()
	insert(t, trie, []titles.Entry{
		{Item: "long", Tokens: []int32{5, 7, 9}}, {Item: "b", Tokens: []int32{5, 7}}, {Item: "a", Tokens: []int32{5, 7}}, {Item: "c", Tokens: []int32{2}},
	}...)
	next := func(what string, prefix, tokens []int32, items ...string) {
		t.Helper()
		gotTokens, gotItems := trie.Next(prefix)
		same(t, what, tokens, gotTokens)
		same(t, what, items, gotItems)
	}
	next("root", nil, []int32{2, 5})
	next("equal titles, and the beginning of a longer one", []int32{5, 7}, []int32{9}, "a", "b")
	next("no title", []int32{2, 2}, nil)

	before := trie.View()
	same(t, "deleted", true, trie.Delete("long"))
	next("after the change", []int32{5, 7}, nil, "a", "b")
	same(t, "a view stays as it was", true, before.Root().Child(5).Child(7).Child(9).Ends())
	same(t, "what is left", true, trie.View("a", "b").Root().Child(2).Ends())
	same(t, "nothing is left", false, trie.View("a", "b").Root().Child(5).OK())
	same(t, "one of two is left", []string{"b"}, trie.View("a").Root().Child(5).Child(7).Items())
}

func TestTrieRefusesEmptyTitles(t *testing.T) {
	trie := titles.NewTrie()
	insert(t, trie, titles.Entry{Item: "a", Tokens: []int32{1}})
	if err := trie.Insert("b", nil); err == nil || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("empty title: error %v", err)
	}
	if err := trie.InsertAll([]titles.Entry{{Item: "a", Tokens: []int32{2}}, {Item: "c", Tokens: []int32{3, -1}}}); err == nil {
		t.Error("negative token: no error")
	}
	same(t, "nothing has changed", map[string][]string{"[1]": {"a"}}, paths(trie.View()))
}

func TestTrieReadersBesideAWriter(t *testing.T) {
	trie := titles.NewTrie()
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					paths(trie.View("item-3", "item-4"))
					trie.Next([]int32{1})
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(7, 7))
	for range 2000 {
		item := fmt.Sprintf("item-%d", r.IntN(12))
		if r.IntN(3) == 0 {
			trie.Delete(item)
		} else if err := trie.Insert(item, randomTitle(r)); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
}

func FuzzTrie(f *testing.F) {
	f.Add([]byte{1, 2, 3, 0, 1, 1, 9, 200, 1, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		trie, catalogue := titles.NewTrie(), map[string][]int32{}
		for len(data) >= 2 {
			item, size := fmt.Sprint(data[0]%16), int(data[1]%6)
			data = data[2:]
			size = min(size, len(data))
			ids := make([]int32, size)
			for i := range ids {
				ids[i] = int32(data[i] % 4)
			}
			data = data[size:]
			if size == 0 {
				trie.Delete(item)
				delete(catalogue, item)
				continue
			}
			if err := trie.Insert(item, ids); err != nil {
				t.Fatal(err)
			}
			catalogue[item] = ids
		}
		same(t, "paths", want(catalogue), paths(trie.View()))
		same(t, "paths without some", want(catalogue, "3", "5"), paths(trie.View("3", "5")))
	})
}

func BenchmarkTrieInsert(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	entries := make([]titles.Entry, 12000)
	for i := range entries {
		ids := make([]int32, 8)
		for j := range ids {
			ids[j] = int32(r.IntN(30000))
		}
		entries[i] = titles.Entry{Item: fmt.Sprint(i), Tokens: ids}
	}
	b.Run("all 12000", func(b *testing.B) {
		for b.Loop() {
			if err := titles.NewTrie().InsertAll(entries); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("one into 12000", func(b *testing.B) {
		trie := titles.NewTrie()
		if err := trie.InsertAll(entries); err != nil {
			b.Fatal(err)
		}
		for i := 0; b.Loop(); i++ {
			if err := trie.Insert("new", entries[i%len(entries)].Tokens); err != nil {
				b.Fatal(err)
			}
		}
	})
}
