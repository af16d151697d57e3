package mixer

import "math"

// adam is the optimiser of Kingma and Ba (arXiv 1412.6980) with its usual constants.
type adam struct {
	rate         float64
	first        []float64 // running mean of the gradient
	second       []float64 // running mean of its square
	bias1, bias2 float64   // beta^steps
}

const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

func newAdam(n int, rate float64) *adam {
	return &adam{rate: rate, first: make([]float64, n), second: make([]float64, n), bias1: 1, bias2: 1}
}

func (a *adam) step(w, grad []float64) {
	a.bias1 *= beta1
	a.bias2 *= beta2
	for i, g := range grad {
		a.first[i] = beta1*a.first[i] + (1-beta1)*g
		a.second[i] = beta2*a.second[i] + (1-beta2)*g*g
		w[i] -= a.rate * (a.first[i] / (1 - a.bias1)) / (math.Sqrt(a.second[i]/(1-a.bias2)) + epsilon)
	}
}
