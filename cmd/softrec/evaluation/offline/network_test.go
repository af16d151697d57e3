package offline

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestExamples_seeNothingOfTheirTarget checks that a position's target lies in a later basket, right after its own one.
func TestExamples_seeNothingOfTheirTarget(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		const maxLen = 6
		seq := sequences(rng, 1, 30)[0]
		basket := map[int32]int{}
		for i, item := range seq.Items {
			basket[item] = seq.Baskets[i]
		}
		asked := map[int32]int{}
		for _, ex := range examples([]Sequence{seq}, maxLen, variant{}, 3) {
			if len(ex.Items) > maxLen || len(ex.Items) != len(ex.Targets) {
				t.Fatalf("example %+v", ex)
			}
			for i, target := range ex.Targets {
				if target == 0 {
					continue
				}
				asked[target]++
				if basket[target] != basket[ex.Items[i]]+1 {
					t.Fatalf("item %d of basket %d is asked after one of basket %d", target, basket[target], basket[ex.Items[i]])
				}
			}
		}
		for item, n := range asked {
			if n != 1 || basket[item] == 0 {
				t.Fatalf("item %d of basket %d is a target %d times", item, basket[item], n)
			}
		}
	}
}

func TestPieces_askEveryTargetOnce(t *testing.T) {
	items, targets := make([]int32, 23), make([]int32, 23)
	for i := range items {
		items[i], targets[i] = int32(i+1), int32(i+2)
	}
	var got []int32
	for _, ex := range pieces(items, targets, nil, 8) {
		for i, target := range ex.Targets {
			if target != 0 {
				got = append(got, target)
				if len(got) > 8 && i < 2 {
					t.Errorf("target %d sees %d items", target, i+1)
				}
			}
		}
	}
	if !slices.Equal(got, targets) {
		t.Errorf("targets %v, want %v", got, targets)
	}
}

func TestNetwork_suitedToTheLog(t *testing.T) {
	long, short := make([]Sequence, 100), make([]Sequence, 100)
	for i := range long {
		long[i].Items, short[i].Items = make([]int32, 300), make([]int32, 20)
	}
	n := LargeNetwork()
	if got := n.suited(long, 100); got != n {
		t.Errorf("a dense log of long histories changes the network: %+v", got)
	}
	got := n.suited(short, 1000)
	if got.Shape.MaxLen != 50 || got.Shape.Dropout != 0.5 || got.Train.Batch*got.Shape.MaxLen != n.Train.Batch*n.Shape.MaxLen {
		t.Errorf("a sparse log of short histories: %+v", got)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	for _, n := range []Network{LargeNetwork(), SmallNetwork()} {
		if err := n.Validate(); err != nil {
			t.Error(err)
		}
	}
}
