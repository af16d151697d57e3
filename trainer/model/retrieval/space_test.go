package retrieval

import (
	"math"
	"slices"
	"testing"

	"github.com/softrec/softrec/trainer/model/cooccurrence"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/soft"
)

// On a map of what is taken after what, distances are between items and not between titles; the frozen table comes back when it is asked for.
func TestFixSpace_cooccurrence(t *testing.T) {
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, smallConfig())
	train := walks(200, 1)
	own := Data{Table: newTable(t, e), Train: train}
	told := own
	told.Taken = titles.Taken(train[:100])
	probe := []int{0, 1, 2, 3, 4, 5, 6, 7}
	measure := func(l *Learner, kind soft.Space) []float64 {
		t.Helper()
		if err := l.FixSpace(background, kind); err != nil {
			t.Fatal(err)
		}
		d, err := l.Distances(background, probe)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	learner := func(d Data) *Learner {
		t.Helper()
		l, err := e.Learner(nil, d, 3)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := learner(own)
	if _, err := l.Distil(background); err != nil { // by the same weights: D' is what the distances are of
		t.Fatal(err)
	}
	table := measure(l, soft.SpaceModel)
	got := measure(l, soft.SpaceCooccurrence)
	space, err := cooccurrence.New(cooccurrence.DefaultDim, titles.Taken(train))
	if err != nil {
		t.Fatal(err)
	}
	for k, n := range probe {
		if want := space.Distance(l.easy.items[n][0], train[n].Target); got[k] != want {
			t.Errorf("prompt %d: distance %v, want %v", n, got[k], want)
		}
	}
	if slices.Equal(got, table) {
		t.Error("both spaces gave the same distances")
	}
	if other := measure(learner(told), soft.SpaceCooccurrence); slices.Equal(got, other) {
		t.Error("what was told beside the prompts did not count")
	}
	if again := measure(l, soft.SpaceModel); !slices.Equal(table, again) {
		t.Errorf("the table's distances were %v and are %v", table, again)
	}
	if err := l.FixSpace(background, "moon"); err == nil {
		t.Error("an unknown space was fixed")
	}
}

// Learning what follows what brings the answers nearer on the map.
func TestFixSpace_cooccurrenceFallsWithLearning(t *testing.T) {
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, smallConfig())
	l, err := e.Learner(nil, Data{Table: newTable(t, e), Train: walks(400, 1), Validation: walks(50, 2)}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.FixSpace(background, soft.SpaceCooccurrence); err != nil {
		t.Fatal(err)
	}
	probe := soft.Probe(l.Prompts(), 100, 1)
	mean := func() float64 {
		t.Helper()
		d, err := l.Distances(background, probe)
		if err != nil {
			t.Fatal(err)
		}
		var sum float64
		for _, x := range d {
			sum += x / float64(len(d))
		}
		return sum
	}
	before := mean()
	for epoch := range 4 {
		if _, err := l.Train(background, soft.Pass{Mix: soft.MixLoss, Seed: 5, Epoch: epoch}); err != nil {
			t.Fatal(err)
		}
	}
	if after := mean(); math.IsNaN(after) || after > 0.95*before {
		t.Errorf("the mean distance went from %.3f to %.3f", before, after)
	}
}
