package experiment

import (
	"testing"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
)

// A line that is one prompt's target and stands in the window of another counts like its neighbours in the basket. It once counted twice.
func TestShownBy_countsEachLineOnce(t *testing.T) {
	first := split.Question{User: 7, Past: []int32{1, 2}, Targets: []int32{3, 4}}
	second := split.Question{User: 7, Past: []int32{1, 2, 3, 4}, Targets: []int32{5}}
	target := first
	target.Targets = []int32{3}
	for name, prompts := range map[string][]split.Question{"the target first": {target, second}, "the window first": {second, target}} {
		c := shownBy(prompts, []split.Question{first, second}, 5)
		scores := make([]float32, 8)
		c.Transitions([]int32{3}, scores) // numbered from 1: item 2
		if scores[4] == 0 || scores[4] != scores[5] {
			t.Errorf("%s: item 3 scores %v, item 4 %v", name, scores[4], scores[5])
		}
	}
}

// Where rankings leave out what a user had, so does the validation that stops the sequence model; it once did not.
func TestSequenceTraining_isStoppedByWhatItIsMeasuredBy(t *testing.T) {
	for _, filter := range []bool{false, true} {
		if cfg := sequenceTraining(Catalogue{FilterSeen: filter}); cfg.ExcludeHistory != filter || cfg.Validate() != nil {
			t.Errorf("filter %v: %+v", filter, cfg)
		}
	}
}
