package mixer

import "math"

// adam is the optimiser of Kingma and Ba (arXiv 1412.6980) with its usual constants.
type adam struct {
	rate         float64
	first        []float32 // running mean of the gradient
	second       []float32 // running mean of its square
	bias1, bias2 float64   // beta^steps
}

const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

func newAdam(n int, rate float64) *adam {
	return &adam{rate: rate, first: make([]float32, n), second: make([]float32, n), bias1: 1, bias2: 1}
}

func (a *adam) step(w, grad []float32) {
	a.bias1 *= beta1
	a.bias2 *= beta2
	rate, scale := float32(a.rate/(1-a.bias1)), float32(1/(1-a.bias2))
	first, second := a.first[:len(grad)], a.second[:len(grad)]
	w = w[:len(grad)]
	for i, g := range grad {
		first[i] = beta1*first[i] + (1-beta1)*g
		second[i] = beta2*second[i] + (1-beta2)*g*g
		w[i] -= rate * first[i] / (float32(math.Sqrt(float64(second[i]*scale))) + epsilon)
	}
}
