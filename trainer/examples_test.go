package trainer

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/softrec/softrec/trainer/model/seqtrain"
)

// chain is a segment of one-item baskets: item i+1 at second i.
func chain(n, first int) segment {
	s := segment{User: "u", First: first}
	for i := range n {
		s.Steps = append(s.Steps, step{Item: int32(i + 1), TS: int64(i) * 1000, Offset: int64(i)})
	}
	return s
}

func TestExamples_clickstreamIsNextItem(t *testing.T) {
	got := examples([]segment{chain(4, 0)}, 50, 1)
	want := []seqtrain.Example{{Items: []int32{1, 2, 3}, Targets: []int32{2, 3, 4}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestExamples_contextCarriesNoTarget(t *testing.T) {
	got := examples([]segment{chain(4, 3)}, 50, 1)
	want := []seqtrain.Example{{Items: []int32{1, 2, 3}, Targets: []int32{0, 0, 4}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Whatever the length, every fresh interaction with a history is a target exactly once, and sees at least half a window
// of what came before it, or all of it.
func TestExamples_everyTargetOnceWithContext(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		n, maxLen := 1+rng.IntN(200), 2+rng.IntN(60)
		s := chain(n, rng.IntN(n))
		seen := map[int32]int{}
		for _, ex := range examples([]segment{s}, maxLen, 7) {
			if len(ex.Items) > maxLen || len(ex.Items) != len(ex.Targets) {
				t.Fatalf("example of %d items and %d targets, at most %d", len(ex.Items), len(ex.Targets), maxLen)
			}
			for i, target := range ex.Targets {
				if target == 0 {
					continue
				}
				seen[target]++
				if ex.Items[i] != target-1 {
					t.Fatalf("item %d is followed by %d", ex.Items[i], target)
				}
				if have, want := i+1, min(int(target)-1, maxLen/2); have < want {
					t.Fatalf("n %d, maxLen %d: target %d sees %d items, want %d", n, maxLen, target, have, want)
				}
			}
		}
		for item := max(2, s.First+1); item <= n; item++ {
			if seen[int32(item)] != 1 {
				t.Fatalf("n %d first %d maxLen %d: item %d is a target %d times", n, s.First, maxLen, item, seen[int32(item)])
			}
		}
		if first := max(2, s.First+1); len(seen) != n-first+1 && n >= first {
			t.Fatalf("%d targets, want %d", len(seen), n-first+1)
		}
	}
}

// Lines of one basket never see one another, in either role.
func TestExamples_basketLinesAreNoContext(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var s segment
		basketOf := map[int32]int{}
		item := int32(0)
		for b := range 2 + rng.IntN(6) {
			for range 1 + rng.IntN(5) {
				item++
				basketOf[item] = b
				s.Steps = append(s.Steps, step{Item: item, TS: int64(b), Offset: int64(item)})
			}
		}
		used := map[int32]int{}
		for _, ex := range examples([]segment{s}, 50, 9) {
			for i, target := range ex.Targets {
				if target == 0 {
					continue
				}
				used[target]++
				if basketOf[target] != basketOf[ex.Items[i]]+1 {
					t.Fatalf("basket %d follows basket %d", basketOf[target], basketOf[ex.Items[i]])
				}
			}
		}
		for it, n := range used {
			if n != 1 {
				t.Fatalf("item %d is a target %d times", it, n)
			}
		}
	}
}

func TestExamples_sameSeedSameBytes(t *testing.T) {
	segs := []segment{chain(120, 10), chain(7, 0)}
	if d := cmp.Diff(examples(segs, 20, 5), examples(segs, 20, 5)); d != "" {
		t.Error(d)
	}
}

func TestSegment_splitAt(t *testing.T) {
	s := chain(10, 2)
	before, after := s.splitAt(4000, 3)
	if before.fresh() != 3 || after.fresh() != 5 {
		t.Fatalf("fresh %d and %d, want 3 and 5", before.fresh(), after.fresh())
	}
	if got := itemsOf(after.Steps[:after.First]); !cmp.Equal(got, []int32{3, 4, 5}) {
		t.Errorf("context after the split %v, want the three items before it", got)
	}
	if got := after.Steps[after.First].Item; got != 6 {
		t.Errorf("first fresh item after the split %d, want 6", got)
	}
}

func TestReplay_sampleAndLimit(t *testing.T) {
	r := replay{Limit: 25}
	for i := range 10 {
		s := chain(6, 1)
		s.User = string(rune('a' + i))
		r.add([]segment{s})
	}
	if r.Fresh != 25 || len(r.Segs) != 5 || r.Segs[0].User != "f" {
		t.Fatalf("holds %d interactions in %d segments from %q, want the newest 25 in 5 from \"f\"", r.Fresh, len(r.Segs), r.Segs[0].User)
	}
	a, b := r.sample(10, 3), r.sample(10, 3)
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("same seed, other sample: %s", d)
	}
	if n := countFresh(a); n != 10 {
		t.Errorf("sample of %d, want 10", n)
	}
	r.forget("g")
	if r.Fresh != 20 {
		t.Errorf("after forgetting a user %d interactions, want 20", r.Fresh)
	}
}
