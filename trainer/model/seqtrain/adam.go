package seqtrain

import "math"

// Adam's constants, as published (arXiv 1412.6980).
const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

// moments are Adam's running means for the tensors of a network.
type moments struct {
	first, second [][]float32 // by tensor
	steps         int
}

func (m *moments) clone() moments {
	c := moments{steps: m.steps, first: make([][]float32, len(m.first)), second: make([][]float32, len(m.second))}
	for i := range m.first {
		c.first[i] = append([]float32(nil), m.first[i]...)
		c.second[i] = append([]float32(nil), m.second[i]...)
	}
	return c
}

// begin opens a step; update must follow for each tensor.
func (m *moments) begin() { m.steps++ }

// update moves values against grad, with bias correction.
func (m *moments) update(tensor int, values, grad []float32, rate float64) {
	c1 := 1 - math.Pow(beta1, float64(m.steps))
	c2 := 1 - math.Pow(beta2, float64(m.steps))
	step, inv2 := float32(rate/c1), float32(1/c2)
	m1, m2 := m.first[tensor][:len(values)], m.second[tensor][:len(values)]
	grad = grad[:len(values)]
	for i, g := range grad {
		a := beta1*m1[i] + (1-beta1)*g
		b := beta2*m2[i] + (1-beta2)*g*g
		m1[i], m2[i] = a, b
		values[i] -= step * a / (float32(math.Sqrt(float64(b*inv2))) + epsilon)
	}
}
