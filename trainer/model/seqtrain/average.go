package seqtrain

import "github.com/softrec/softrec/trainer/model/sequence"

// average is an exponential average of the weights over the steps. The zero value keeps none.
type average struct {
	keep    float64 // share kept of itself at each step
	steps   int
	weights *sequence.Weights
}

func newAverage(keep float64, start *sequence.Weights) average {
	if keep == 0 {
		return average{}
	}
	return average{keep: keep, weights: start.Clone()}
}

func (a average) clone() average {
	if a.weights != nil {
		a.weights = a.weights.Clone()
	}
	return a
}

// add takes in the weights after a step. The first steps count more, so that the start, which was random, is soon forgotten.
func (a *average) add(w *sequence.Weights) {
	if a.weights == nil {
		return
	}
	a.steps++
	keep := min(a.keep, float64(a.steps)/float64(a.steps+9))
	move := float32(1 - keep)
	for i, t := range w.Tensors() {
		own := a.weights.Tensors()[i].Data[:len(t.Data)]
		for j, v := range t.Data {
			own[j] += move * (v - own[j])
		}
	}
}
