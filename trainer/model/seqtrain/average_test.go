package seqtrain

import (
	"math"
	"reflect"
	"testing"

	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/soft"
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

// What is asked of a learner that keeps an average is answered by the average: how good it is, the easier targets it writes, how far its answers are
// from the real ones, and the weights that a round publishes. One that was never trained and starts from these weights answers the same.
func TestLearner_averageAnswers(t *testing.T) {
	skipRaced(t)
	const vocab = 41
	data := chain{vocab}.data(40, 20, 5)
	cfg := smallTraining()
	cfg.Average = 0.9
	l := newLearner(t, goBackend(t), cfg, weights(t, small, vocab, 2), data)
	train(t, l, pass(0, 1))
	if bits(t, l.Weights()) == bits(t, l.weights) {
		t.Fatal("the average is the last step")
	}
	cfg.Average = 0
	same := newLearner(t, goBackend(t), cfg, l.Weights(), data)
	type told struct {
		hr10      float64
		easy      []int32
		distances []float64
	}
	ask := func(l *Learner) (out told) {
		var err error
		if out.hr10, err = l.Validate(background); err != nil {
			t.Fatal(err)
		}
		if _, err = l.Distil(background); err != nil {
			t.Fatal(err)
		}
		out.easy = l.easy
		if err = l.FixSpace(background, soft.SpaceModel); err != nil {
			t.Fatal(err)
		}
		if out.distances, err = l.Distances(background, []int{0, 3, 8}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got, want := ask(l), ask(same); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
