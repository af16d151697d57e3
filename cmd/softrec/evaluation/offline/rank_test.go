package offline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRankAll_leavesTheHistoryOut(t *testing.T) {
	scores := []float32{99, 5, 4, 3, 3, 1}
	var list []int32
	got := rankAll(scores, Question{History: []int32{1}, Targets: []int32{2, 3, 5, 1}}, &list)
	if want := []float64{1, 2.5, 4, math.Inf(1)}; !slices.Equal(got, want) {
		t.Errorf("ranks %v, want %v", got, want)
	}
	if want := []int32{2, 3, 4, 5}; !slices.Equal(list, want) {
		t.Errorf("list %v, want %v", list, want)
	}
}

// TestBest_equalsASort holds both ways to choose to a plain sort, ties and excluded items included.
func TestBest_equalsASort(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for range 500 {
		scores := make([]float32, rng.IntN(40))
		var order []int32
		for i := range scores {
			if scores[i] = float32(rng.IntN(8)); scores[i] == 0 {
				scores[i] = lowest
				continue
			}
			order = append(order, int32(i))
		}
		slices.SortStableFunc(order, func(a, b int32) int { return compare(scores[b], scores[a]) })
		k := 1 + rng.IntN(12)
		want := order[:min(k, len(order))]
		if got := best(scores, k, []int32{77}); !slices.Equal(got[1:], want) || got[0] != 77 {
			t.Fatalf("best %d of %v: %v, want %v", k, scores, got, want)
		}
		if got := top(scores, k, []int32{77}); !slices.Equal(got[1:], want) {
			t.Fatalf("top %d of %v: %v, want %v", k, scores, got, want)
		}
	}
}
