package offline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/softrec/softrec/trainer/model/counts"
)

// TestSources_equalTheProductsTransitions holds the columns to what the live counts compute.
func TestSources_equalTheProductsTransitions(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 25
	seqs := sequences(rng, 60, n)
	s := newSources(seqs, n)
	live := counts.NewCounts(counts.DefaultConfig())
	for _, seq := range seqs {
		begin := 0
		for i, item := range seq.Items {
			if i > 0 && seq.Baskets[i] != seq.Baskets[i-1] {
				begin = i
			}
			live.Update(counts.Observation{History: seq.Items[:begin], Item: item, Time: time.Unix(1000, 0)})
		}
	}
	e := newEvidence(n)
	for _, seq := range sequences(rng, 40, n) {
		want := make([]float32, n)
		live.Transitions(seq.Items, want)
		s.fill(seq.Items, e)
		for i := range want {
			if math.Abs(float64(want[i]-e.columns[colFollows][i])) > 1e-5 {
				t.Fatalf("item %d after %v: %v, the live counts say %v", i, seq.Items, e.columns[colFollows][i], want[i])
			}
		}
	}
}

// dumb counts the same pairs by looking at all of them.
func dumb(seqs []Sequence, n int, r tableRule) [][]float64 {
	out := make([][]float64, n)
	for i := range out {
		out[i] = make([]float64, n)
	}
	for _, s := range seqs {
		for i := range s.Items {
			begin := i
			for begin > 0 && s.Baskets[begin-1] == s.Baskets[i] {
				begin--
			}
			for k := 0; k < r.back && begin-1-k >= 0; k++ {
				a, b, w := s.Items[begin-1-k], s.Items[i], math.Pow(r.decay, float64(k))
				out[a][b] += w
				if r.both {
					out[b][a] += w
				}
			}
		}
	}
	return out
}

func TestNewTable_equalsTheDumbOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const n = 20
	for _, rule := range []tableRule{{back: 3, decay: 0.8}, {back: 40, decay: 0.95}, {back: 5, decay: 0.9, both: true}} {
		seqs := sequences(rng, 30, n)
		got, want := newTable(seqs, n, rule), dumb(seqs, n, rule)
		for a := range n {
			total := 0.0
			for b := range n {
				v := 0.0
				if at, ok := slices.BinarySearch(got.items[a], int32(b)); ok {
					v = float64(got.value[a][at])
				}
				if total += want[a][b]; math.Abs(v-want[a][b]) > 1e-4 {
					t.Fatalf("%+v: %d after %d: %v, want %v", rule, b, a, v, want[a][b])
				}
			}
			if math.Abs(float64(got.total[a])-total) > 1e-3 {
				t.Fatalf("%+v: total of %d: %v, want %v", rule, a, got.total[a], total)
			}
		}
	}
}

func TestNewTable_keepsTheLargest(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const n, keep = 30, 4
	seqs := sequences(rng, 40, n)
	all, some := newTable(seqs, n, windowRule), newTable(seqs, n, tableRule{back: windowRule.back, decay: windowRule.decay, keep: keep})
	for a := range n {
		sorted := slices.Clone(all.value[a])
		slices.SortFunc(sorted, func(x, y float32) int { return compare(y, x) })
		own := slices.Clone(some.value[a])
		slices.SortFunc(own, func(x, y float32) int { return compare(y, x) })
		if !slices.Equal(own, sorted[:min(keep, len(sorted))]) || some.total[a] != all.total[a] || !slices.IsSorted(some.items[a]) {
			t.Fatalf("row %d: %v of %v", a, own, sorted)
		}
	}
}
