package stream

import (
	"slices"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// No two models are compared twice, in either order, whoever leads.
func TestPairs_onceEach(t *testing.T) {
	score := func(hr float64) []*evaluation.Model {
		return []*evaluation.Model{{Scores: evaluation.Scores{HR10: hr}}}
	}
	names := []string{evaluation.Transitions, evaluation.Text, evaluation.TextSFT, evaluation.SFT, evaluation.SOFT}
	for _, lead := range names {
		e := &evaluator{runs: map[string][]*evaluation.Model{}}
		for _, n := range names {
			e.runs[n] = score(0.1)
		}
		e.runs[lead] = score(0.2)
		got := e.pairs(names)
		for i, p := range got {
			if slices.Contains(got[:i], p) || slices.Contains(got[:i], [2]string{p[1], p[0]}) {
				t.Errorf("%s leads: %v twice in %v", lead, p, got)
			}
		}
		for _, q := range [][2]string{{evaluation.SOFT, evaluation.SFT}, {evaluation.Text, evaluation.TextSFT}} {
			if !slices.Contains(got, q) {
				t.Errorf("%s leads: SOFT is not compared with plain fine-tuning as %v in %v", lead, q, got)
			}
		}
	}
}

// Without a ranker the model that is best over all its seeds leads, not the one whose first seed was lucky.
func TestPairs_theBestOfAllSeedsLeads(t *testing.T) {
	e := &evaluator{runs: map[string][]*evaluation.Model{}}
	for name, hrs := range map[string][]float64{evaluation.SFT: {0.5, 0.1, 0.1}, evaluation.SOFT: {0.2, 0.4, 0.4}, evaluation.Popularity: {0.3}} {
		for _, hr := range hrs {
			e.runs[name] = append(e.runs[name], &evaluation.Model{Scores: evaluation.Scores{HR10: hr}})
		}
	}
	got := e.pairs([]string{evaluation.Popularity, evaluation.SFT, evaluation.SOFT})
	if !slices.Contains(got, [2]string{evaluation.SOFT, evaluation.Popularity}) || slices.Contains(got, [2]string{evaluation.SFT, evaluation.Popularity}) {
		t.Errorf("compared %v", got)
	}
}
