package ranker

import (
	"math"
	"time"

	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/counts"
)

// Baselines are the scores of the plain counts over a whole vocabulary, which every model has to beat.
type Baselines struct {
	Popularity  []float32 // by item index
	Transitions []float32 // by item index; popularity decides between equal ones, and alone for a user without history
}

// Fill computes both for a user's history (newest last, as it stood before the basket) at now, over n indices.
func (s *Baselines) Fill(c *counts.Counts, history []int32, now time.Time, n int) {
	s.Popularity, s.Transitions = sized(s.Popularity, n), sized(s.Transitions, n)
	c.Popularity(now, s.Popularity)
	top := float32(0)
	for _, v := range s.Popularity {
		top = max(top, v)
	}
	clear(s.Transitions)
	if top > 0 {
		for i, v := range s.Popularity {
			s.Transitions[i] = v / top * tieBreak
		}
	}
	c.Transitions(history, s.Transitions)
}

// tieBreak is the weight of popularity beside transition scores: below what one transition of a busy item weighs.
const tieBreak = 1e-6

// MidRank returns the place of target among the items 1 to len(scores)-1, highest score first, equal ones at the middle
// of their places; infinite for an index outside.
func MidRank(scores []float32, target int32) float64 {
	if target < 1 || int(target) >= len(scores) {
		return math.Inf(1)
	}
	return eval.Rank(scores[1:], int(target)-1) // index 0 is padding
}

func sized(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n, n+n/8)
	}
	return s[:n]
}
