package retrieval

import (
	"math"
	"testing"

	"github.com/softrec/softrec/trainer/soft"
)

// Prompts without an answer are not in D': the confidence weights of the others have the mean 1.
func TestPassState_confidenceIsScaledOverAnswers(t *testing.T) {
	l := &Learner{prompts: make([]Prompt, 4), easy: &answers{items: [][]int32{{1}, nil, {2}, nil}, confidence: []float32{0.2, 0, 0.6, 0}}}
	pass, err := l.passState(soft.Pass{Lambda: 1, Confidence: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.5, 0, 1.5, 0} {
		if math.Abs(float64(pass.weight[i])-want) > 1e-6 {
			t.Fatalf("weights %v: want 0.5 and 1.5 for the answers", pass.weight)
		}
	}
	l.easy = &answers{items: [][]int32{nil}, confidence: []float32{0}}
	if pass, err := l.passState(soft.Pass{Lambda: 1, Confidence: true}); err != nil || pass.weight[0] != 0 {
		t.Errorf("nothing was answered: %+v, %v", pass, err)
	}
}
