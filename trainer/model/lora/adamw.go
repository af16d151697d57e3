package lora

import (
	"errors"
	"fmt"
	"math"
)

// AdamWConfig sets the optimiser. The zero value is not usable; start from DefaultAdamWConfig.
type AdamWConfig struct {
	LearningRate float64 `koanf:"learning_rate" help:"step size after the warm-up (default 0.001)"`
	WeightDecay  float64 `koanf:"weight_decay" help:"share of a weight taken away per step, times the learning rate (default 0.01)"`
	Warmup       int     `koanf:"warmup" help:"steps over which the learning rate rises linearly from 0; 0 = none (default 20)"`
	DecaySteps   int     `koanf:"decay_steps" help:"step with which a linear decay that begins after the warm-up ends, the last one that moves; 0 = constant (default 0)"`
	ClipNorm     float64 `koanf:"clip_norm" help:"largest Euclidean norm of a step's gradient over all tensors; 0 = no limit (default 1)"`
	Beta1        float64 `koanf:"beta1" help:"memory of the mean gradient, 0 to below 1 (default 0.9)"`
	Beta2        float64 `koanf:"beta2" help:"memory of the mean squared gradient, 0 to below 1 (default 0.999)"`
	Epsilon      float64 `koanf:"epsilon" help:"added to the root of the mean square, above 0 (default 1e-08)"`
}

// DefaultAdamWConfig are torch's constants with the paper's warm-up.
func DefaultAdamWConfig() AdamWConfig {
	return AdamWConfig{LearningRate: 0.001, WeightDecay: 0.01, Warmup: 20, ClipNorm: 1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
}

// Validate reports every fault of the configuration at once.
func (c AdamWConfig) Validate() error {
	var errs []error
	fault := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("lora.%s %v: want %s", field, value, want))
		}
	}
	share := func(x float64) bool { return x >= 0 && x < 1 }
	fault(c.LearningRate > 0 && c.LearningRate <= 1, "learning_rate", c.LearningRate, "above 0, at most 1")
	fault(c.WeightDecay >= 0 && c.WeightDecay*c.LearningRate < 1, "weight_decay", c.WeightDecay, "at least 0 and, times the learning rate, below 1")
	fault(c.Warmup >= 0, "warmup", c.Warmup, "at least 0")
	fault(c.DecaySteps == 0 || c.DecaySteps > c.Warmup, "decay_steps", c.DecaySteps, "0, or more than warmup")
	fault(c.ClipNorm >= 0, "clip_norm", c.ClipNorm, "at least 0")
	fault(share(c.Beta1), "beta1", c.Beta1, "0 to below 1")
	fault(share(c.Beta2), "beta2", c.Beta2, "0 to below 1")
	fault(c.Epsilon > 0 && c.Epsilon < 1, "epsilon", c.Epsilon, "above 0 and below 1")
	return errors.Join(errs...)
}

// Rate is the learning rate of step n, counted from 1. The first step of a warm-up of w takes 1/w of the rate, and step w the whole: one step
// ahead of the transformers library's linear schedule, whose first step takes nothing. A decay is that library's: step DecaySteps is the last that moves.
func (c AdamWConfig) Rate(n int) float64 {
	if n <= c.Warmup {
		return c.LearningRate * float64(n) / float64(c.Warmup)
	}
	if c.DecaySteps == 0 {
		return c.LearningRate
	}
	left := float64(c.DecaySteps-n+1) / float64(c.DecaySteps-c.Warmup)
	return c.LearningRate * max(0, left)
}

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101), in float32 on the host, with
// the arithmetic of torch.optim.AdamW. Its moments belong to the tensors it was made for, in their order.
type AdamW struct {
	cfg           AdamWConfig
	first, second [][]float32
	steps         int
}

// NewAdamW makes an optimiser with fresh moments for tensors of these sizes, such as Adapter.Flat's.
func NewAdamW(cfg AdamWConfig, tensors [][]float32) (*AdamW, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o := &AdamW{cfg: cfg, first: make([][]float32, len(tensors)), second: make([][]float32, len(tensors))}
	for i, t := range tensors {
		o.first[i], o.second[i] = make([]float32, len(t)), make([]float32, len(t))
	}
	return o, nil
}

// Clone is a copy that shares nothing.
func (o *AdamW) Clone() *AdamW {
	c := &AdamW{cfg: o.cfg, steps: o.steps, first: make([][]float32, len(o.first)), second: make([][]float32, len(o.second))}
	for i := range o.first {
		c.first[i] = append([]float32(nil), o.first[i]...)
		c.second[i] = append([]float32(nil), o.second[i]...)
	}
	return c
}

// Steps is the number of steps taken.
func (o *AdamW) Steps() int { return o.steps }

// Step moves values against grads in place. Gradients that are not finite are an error that leaves everything as it was.
func (o *AdamW) Step(values, grads [][]float32) error {
	norm, err := o.check(values, grads)
	if err != nil {
		return err
	}
	o.steps++
	rate := o.cfg.Rate(o.steps)
	c1 := 1 - math.Pow(o.cfg.Beta1, float64(o.steps))
	c2 := math.Sqrt(1 - math.Pow(o.cfg.Beta2, float64(o.steps)))
	factor := float32(1)
	if o.cfg.ClipNorm > 0 && norm > o.cfg.ClipNorm {
		factor = float32(o.cfg.ClipNorm / norm)
	}
	s := stepSizes{
		keep: float32(1 - rate*o.cfg.WeightDecay), step: float32(rate / c1), root: float32(c2), eps: float32(o.cfg.Epsilon),
		b1: float32(o.cfg.Beta1), b2: float32(o.cfg.Beta2), factor: factor,
		rest1: float32(1 - o.cfg.Beta1), rest2: float32(1 - o.cfg.Beta2), // in float32, 1-0.999 would be 1e-5 off
	}
	for i := range values {
		s.move(values[i], grads[i], o.first[i], o.second[i])
	}
	return nil
}

// check returns the norm of the gradients.
func (o *AdamW) check(values, grads [][]float32) (float64, error) {
	if len(values) != len(o.first) || len(grads) != len(o.first) {
		return 0, fmt.Errorf("adamw step: %d tensors and %d gradients: want %d", len(values), len(grads), len(o.first))
	}
	var sum float64
	for i := range values {
		if len(values[i]) != len(o.first[i]) || len(grads[i]) != len(o.first[i]) {
			return 0, fmt.Errorf("adamw step: tensor %d has %d values and %d gradients: want %d", i, len(values[i]), len(grads[i]), len(o.first[i]))
		}
		for _, g := range grads[i] {
			sum += float64(g) * float64(g)
		}
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return 0, errors.New("adamw step: a gradient is not finite")
	}
	return math.Sqrt(sum), nil
}

// stepSizes are the numbers of one step.
type stepSizes struct{ keep, step, root, eps, b1, b2, rest1, rest2, factor float32 }

func (s stepSizes) move(values, grads, first, second []float32) {
	grads, first, second = grads[:len(values)], first[:len(values)], second[:len(values)]
	for i, g := range grads {
		g *= s.factor
		m := s.b1*first[i] + s.rest1*g
		v := s.b2*second[i] + s.rest2*g*g
		first[i], second[i] = m, v
		values[i] = values[i]*s.keep - s.step*m/(float32(math.Sqrt(float64(v)))/s.root+s.eps)
	}
}
