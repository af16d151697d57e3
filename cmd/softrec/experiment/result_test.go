package experiment

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/soft"
)

// A best epoch of 0 is one, and says much: what was not trained has none.
func TestVariantResult_keepsABestEpochOfZero(t *testing.T) {
	trained := &Run{Variant: Soft, Places: []int32{2}, Record: &soft.Record{Student: soft.Tuning{Updates: 3, Epochs: make([]schema.Epoch, 2)}}}
	for name, c := range map[string]struct {
		run  *Run
		want bool
	}{"trained": {trained, true}, "counted": {&Run{Variant: Transitions, Places: []int32{2}}, false}} {
		v, err := variantResult([]*Run{c.run})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `"best_epoch":0`) != c.want {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// The easy loss is drawn beside the real one it is easier than, and not drawn where there was none.
func TestEasyLoss_isMeasuredByTheFirstRealOne(t *testing.T) {
	r := &Run{Record: &soft.Record{Student: soft.Tuning{Epochs: []schema.Epoch{{LossReal: 4, LossEasy: 2}, {LossReal: 3, LossEasy: 1}, {LossReal: 2}}}}}
	got := curve([]*Run{r, r}, easyLoss)
	if len(got) != 3 || got[0] != 0.5 || got[1] != 0.25 || !math.IsNaN(got[2]) {
		t.Errorf("%v: want 0.5, 0.25 and nothing", got)
	}
}

// One run that starts where nothing is left to come nearer to does not take the line of the others.
func TestDistanceRatio_ofAStartThatIsThere(t *testing.T) {
	at := func(d0 float64, d ...float64) *Run {
		r := &Run{Record: &soft.Record{Probed: 9, StartDistance: d0}}
		for _, d := range d {
			r.Record.Student.Epochs = append(r.Record.Student.Epochs, schema.Epoch{Distance: d})
		}
		return r
	}
	there := at(0, 0, 0, 0.1)
	if got := curve([]*Run{at(2, 2, 1, 1), there}, distanceRatio); len(got) != 3 || got[0] != 1 || got[1] != 0.75 || got[2] != 0.5 {
		t.Errorf("%v: want 1, 0.75 and 0.5", got)
	}
	if got := curve([]*Run{there}, distanceRatio); len(got) != 3 || got[1] != 1 || !math.IsNaN(got[2]) {
		t.Errorf("%v: want 1, 1 and nothing", got)
	}
}
