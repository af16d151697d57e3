package seqtrain

import "github.com/softrec/softrec/trainer/model/sequence"

// average is an exponential average of the weights over the steps. The zero value keeps none.
type average struct {
	keep    float64 // share kept of itself at each step
	steps   int
	weights *sequence.Weights
	extra   []sequence.Tensor // of a varied network
}

func newAverage(keep float64, start *sequence.Weights, extra []sequence.Tensor) average {
	if keep == 0 {
		return average{}
	}
	return average{keep: keep, weights: start.Clone(), extra: cloneTensors(extra)}
}

func (a average) clone() average {
	if a.weights != nil {
		a.weights, a.extra = a.weights.Clone(), cloneTensors(a.extra)
	}
	return a
}

// add takes in the weights after a step. The first steps count more, so that the start, which was random, is soon forgotten.
func (a *average) add(w *sequence.Weights, extra []sequence.Tensor) {
	if a.weights == nil {
		return
	}
	a.steps++
	keep := min(a.keep, float64(a.steps)/float64(a.steps+9))
	move := float32(1 - keep)
	for i, t := range w.Tensors() {
		approach(a.weights.Tensors()[i].Data, t.Data, move)
	}
	for i, t := range extra {
		approach(a.extra[i].Data, t.Data, move)
	}
}

func approach(own, to []float32, move float32) {
	own = own[:len(to)]
	for j, v := range to {
		own[j] += move * (v - own[j])
	}
}
