package seqtrain

import (
	"math"
	"testing"

	"github.com/softrec/softrec/trainer/model/sequence"
)

func TestAverage_isTheWeightedMeanOfTheSteps(t *testing.T) {
	start, err := sequence.NewWeights(sequence.Config{Dim: 4, Layers: 1, Heads: 1, MaxLen: 3, FF: 4}, 5, 1)
	if err != nil {
		t.Fatal(err)
	}
	const keep, steps = 0.9, 400
	a := newAverage(keep, start, nil)
	w := start.Clone()
	want := float64(w.Items()[6])
	for s := 1; s <= steps; s++ {
		w.Items()[6] = float32(s)
		a.add(w, nil)
		k := min(keep, float64(s)/float64(s+9))
		want = k*want + (1-k)*float64(s)
	}
	if got := float64(a.weights.Items()[6]); math.Abs(got-want) > 1e-3 || got >= steps || got < steps-1/(1-keep)-1 {
		t.Errorf("average %v, want %v, a little behind %d", got, want, steps)
	}
	saved := a.clone()
	a.add(w, nil)
	if saved.steps != steps || saved.weights.Items()[6] == a.weights.Items()[6] {
		t.Error("a copy moves with its origin")
	}
	none := newAverage(0, start, nil)
	none.add(w, nil)
	if none.weights != nil || none.clone().weights != nil {
		t.Error("an average that was not asked for is kept")
	}
}
