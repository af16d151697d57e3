package ranker

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
)

func TestRank_fillsNWithDistinctAllowedItemsInOrder(t *testing.T) {
	w := newWorld(1, 20, 300)
	w.run(3000)
	for _, network := range []bool{false, true} {
		b := w.bundle(t, network)
		for i, r := range w.requests(300) {
			owned := map[string]bool{}
			for _, x := range r.History {
				owned[x.ItemID] = true
			}
			allowed := 0
			ok := func(id string) bool {
				return (r.Allow == nil || r.Allow(id)) && !(r.ExcludeHistory && owned[id])
			}
			for j := int32(1); int(j) < b.Vocab.Len(); j++ {
				if ok(b.Vocab.ID(j)) {
					allowed++
				}
			}
			got := b.Rank(r)
			if len(got) != min(r.N, allowed) {
				t.Fatalf("request %d: %d items, want %d of %d allowed", i, len(got), r.N, allowed)
			}
			seen := map[string]bool{}
			for k, s := range got {
				switch {
				case seen[s.Item]:
					t.Fatalf("request %d: %s is there twice", i, s.Item)
				case !ok(s.Item):
					t.Fatalf("request %d: %s is not allowed", i, s.Item)
				case b.Vocab.ID(s.Index) != s.Item:
					t.Fatalf("request %d: index %d is not %s", i, s.Index, s.Item)
				case k > 0 && (s.Score > got[k-1].Score || s.Score == got[k-1].Score && s.Index < got[k-1].Index):
					t.Fatalf("request %d: place %d is out of order", i, k)
				case s.Source == schema.SourceRepeat && !owned[s.Item]:
					t.Fatalf("request %d: %s is no repeat", i, s.Item)
				case s.Source == schema.SourceModel && !network:
					t.Fatalf("request %d: %s comes from a network that is not there", i, s.Item)
				case (s.Parts != nil) != r.Explain:
					t.Fatalf("request %d: parts %v, explain %v", i, s.Parts, r.Explain)
				}
				seen[s.Item] = true
			}
		}
	}
}

func TestRank_goroutinesAgree(t *testing.T) {
	w := newWorld(2, 20, 200)
	w.run(2000)
	b := w.bundle(t, true)
	reqs := w.requests(60)
	all := make([][]Scored, len(reqs))
	for i, r := range reqs {
		all[i] = b.Rank(r)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i, r := range reqs {
				if got := b.Rank(r); !reflect.DeepEqual(got, all[i]) {
					t.Errorf("request %d differs beside others", i)
				}
			}
		})
	}
	wg.Wait()
}

func TestRank_orderOfCandidatesChangesNothing(t *testing.T) {
	w := newWorld(3, 20, 300)
	w.run(2000)
	b := w.bundle(t, true)
	for _, r := range w.requests(50) {
		s := new(scratch)
		s.window(b, r.History, r.Now)
		b.gather(s, selection{n: 10})
		score := func() map[int32]float64 {
			b.describe(s)
			out := make([]float64, len(s.cands))
			b.Mixer.Scores(s.contextOf(b), s.columns, out)
			m := map[int32]float64{}
			for i, item := range s.cands {
				m[item] = out[i]
			}
			return m
		}
		want := score()
		w.rng.Shuffle(len(s.cands), func(i, j int) {
			s.cands[i], s.cands[j] = s.cands[j], s.cands[i]
			s.owner[i], s.owner[j] = s.owner[j], s.owner[i]
		})
		if got := score(); !reflect.DeepEqual(got, want) {
			t.Fatal("a candidate's score depends on its place")
		}
	}
}

func TestRank_decodedBundleAnswersAsTheEncodedOne(t *testing.T) {
	w := newWorld(4, 20, 200)
	w.run(2000)
	for _, network := range []bool{false, true} {
		b := w.bundle(t, network)
		files, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(files)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range w.requests(60) {
			if !reflect.DeepEqual(b.Rank(r), got.Rank(r)) {
				t.Fatalf("request %d is answered differently", i)
			}
		}
		again, err := got.Encode()
		if err != nil || !reflect.DeepEqual(files, again) {
			t.Errorf("equal bundles have different bytes, %v", err)
		}
		if _, ok := files[FileSequence]; ok != network {
			t.Errorf("sequence file is there: %v, network: %v", ok, network)
		}
	}
}

func TestRank_unknownHistoryAndEmptyHistoryArePopular(t *testing.T) {
	w := newWorld(5, 20, 100)
	w.run(1000)
	b := w.bundle(t, true)
	stranger := []schema.Interaction{{ItemID: "never-seen", Timestamp: w.now}}
	empty := b.Rank(Request{N: 10, Now: w.now})
	if got := b.Rank(Request{N: 10, Now: w.now, History: stranger}); !reflect.DeepEqual(got, empty) {
		t.Error("an unknown item in the window changed the answer")
	}
	for _, s := range empty {
		if s.Source != schema.SourcePopular {
			t.Errorf("%s comes from %s", s.Item, s.Source)
		}
	}
	popular := b.Popular(w.now, 30, nil)
	if !slices.ContainsFunc(popular[:3], func(s Scored) bool { return s.Item == empty[0].Item }) {
		t.Errorf("%s leads the answer to a new user, popular are %v", empty[0].Item, popular[:3])
	}
	known := append(slices.Clone(w.windows[4]), stranger...)
	with, without := b.Rank(Request{N: 10, Now: w.now, History: known}), b.Rank(Request{N: 10, Now: w.now, History: w.windows[4]})
	if !reflect.DeepEqual(with, without) {
		t.Error("an unknown item among known ones changed the answer")
	}
}

func TestRank_aClickChangesTheAnswer(t *testing.T) {
	w := newWorld(6, 20, 200)
	w.run(3000)
	b := w.bundle(t, false)
	h := w.windows[0]
	before := b.Rank(Request{N: 10, Now: w.now, History: h})
	clicked := append(slices.Clone(h), schema.Interaction{ItemID: "item-13", Timestamp: w.now.Add(time.Second)})
	after := b.Rank(Request{N: 10, Now: w.now.Add(time.Second), History: clicked})
	names := func(s []Scored) (out []string) {
		for _, x := range s {
			out = append(out, x.Item)
		}
		return out
	}
	if slices.Equal(names(before), names(after)) {
		t.Errorf("the answer stayed %v", names(before))
	}
}

func TestRank_emptyModelAnswersNothing(t *testing.T) {
	b := newWorld(1, 1, 1).bundle(t, false)
	h := []schema.Interaction{{ItemID: "x", Timestamp: begin}}
	if got := b.Rank(Request{N: 5, History: h}); len(got) != 0 {
		t.Errorf("an empty model answers %v", got)
	}
	if b.Rank(Request{N: 0}) != nil || b.Rank(Request{N: -1}) != nil || len(b.Popular(begin, 5, nil)) != 0 || len(b.Similar("x", 5, nil)) != 0 {
		t.Error("an empty model answers something")
	}
}

func TestPopular_isTheOrderOfThePopularity(t *testing.T) {
	w := newWorld(7, 20, 100)
	w.run(1500)
	b := w.bundle(t, false)
	scores := make([]float32, b.Vocab.Len())
	b.Counts.Popularity(w.now, scores)
	got := b.Popular(w.now, 1000, func(id string) bool { return id != "item-0" })
	if len(got) != b.Vocab.Len()-2 {
		t.Errorf("%d of %d items", len(got), b.Vocab.Len()-2)
	}
	for i, s := range got {
		if i > 0 && scores[s.Index] > scores[got[i-1].Index] {
			t.Fatalf("place %d is out of order", i)
		}
		if s.Item == "item-0" {
			t.Fatal("a forbidden item is there")
		}
	}
}

func TestSimilar_fillsNAndFindsWhatGoesTogether(t *testing.T) {
	w := newWorld(8, 20, 100)
	w.run(6000)
	for _, network := range []bool{false, true} {
		b := w.bundle(t, network)
		for i := range 50 {
			id := fmt.Sprintf("item-%d", i)
			n := 1 + w.rng.IntN(150)
			allow := func(s string) bool { return s[len(s)-1]%2 == 0 }
			got := b.Similar(id, n, allow)
			want, seen := 0, map[string]bool{}
			for j := int32(1); int(j) < b.Vocab.Len(); j++ {
				if s := b.Vocab.ID(j); s != id && allow(s) {
					want++
				}
			}
			if len(got) != min(n, want) {
				t.Fatalf("%d items like %s, want %d", len(got), id, min(n, want))
			}
			for k, s := range got {
				if seen[s.Item] || s.Item == id || !allow(s.Item) || k > 0 && s.Score > got[k-1].Score {
					t.Fatalf("place %d of what is like %s: %+v", k, id, s)
				}
				seen[s.Item] = true
			}
		}
		next := map[string]bool{"item-22": true, "item-23": true, "item-24": true} // 3*7 + 1..3
		found := 0
		for _, s := range b.Similar("item-3", 10, nil) {
			if next[s.Item] {
				found++
			}
		}
		if found == 0 {
			t.Errorf("network %v: nothing that follows item-3 is similar to it", network)
		}
	}
}

func TestMidRank(t *testing.T) {
	scores := []float32{99, 1, 3, 3, 0, 3}
	for target, want := range map[int32]float64{2: 2, 3: 2, 5: 2, 1: 4, 4: 5, 0: math.Inf(1), 6: math.Inf(1)} {
		if got := MidRank(scores, target); got != want {
			t.Errorf("rank of %d = %v, want %v", target, got, want)
		}
	}
}

func TestBaselines_transitionsFallBackToPopularity(t *testing.T) {
	w := newWorld(9, 5, 50)
	w.run(500)
	var b Baselines
	b.Fill(w.c, nil, w.now, w.v.Len())
	for i := int32(1); int(i) < w.v.Len(); i++ {
		if p, tr := MidRank(b.Popularity, i), MidRank(b.Transitions, i); p != tr {
			t.Fatalf("item %d ranks %v by popularity and %v by transitions without a history", i, p, tr)
		}
	}
	b.Fill(w.c, []int32{1, 2}, w.now, w.v.Len())
	want := make([]float32, w.v.Len())
	w.c.Transitions([]int32{1, 2}, want)
	for i, v := range b.Transitions {
		if d := v - want[i]; d < 0 || d > 2*tieBreak {
			t.Fatalf("score of %d is %v, want about %v", i, v, want[i])
		}
	}
}

func ExampleBundle_Rank() {
	w := newWorld(1, 10, 50)
	w.run(500)
	b, err := New(w.v, w.c, nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	history := []schema.Interaction{{ItemID: "item-3", Timestamp: w.now}}
	for _, s := range b.Rank(Request{History: history, Now: w.now, N: 3}) {
		fmt.Println(s.Item, s.Source)
	}
	// Output:
	// item-3 repeat
	// item-2 similar
	// item-20 popular
}
