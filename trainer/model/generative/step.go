package generative

import (
	"context"
	"fmt"
	"math"
)

// gradients runs the step over some samples of an update of n and adds the gradients of the adapter's tensors to grads.
// It returns the losses and the objective.
func (l *Learner) gradients(ctx context.Context, samples []sample, n int, seed int32, grads [][]float32) (s sums, loss float64, err error) {
	sh := shapeOf(samples, l.engine.cfg.micro())
	list := goals(samples, sh.width, n)
	data := l.engine.inputs(samples, list, sh, seed)
	defer func() { release(data, err) }()
	err = l.step.Run(ctx, l.adapter, data, func(out int, values []float32) {
		switch out {
		case outNats:
			for i, g := range list {
				s.measure(g, float64(values[i]))
			}
		case outLoss:
			loss = float64(values[0])
		default:
			addTo(grads[out-outGradients], values)
		}
	})
	if err != nil {
		return sums{}, 0, err
	}
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return sums{}, 0, fmt.Errorf("loss is %v: the weights have diverged", loss)
	}
	return s, loss, nil
}

// update makes one update of the adapter from a batch of samples.
func (l *Learner) update(ctx context.Context, batch []sample, seed int32) (sums, error) {
	var total sums
	for _, g := range l.grads {
		clear(g)
	}
	for i, part := range runs(batch, l.engine.cfg.micro()) {
		one, _, err := l.gradients(ctx, part, len(batch), seed+int32(i), l.grads)
		if err != nil {
			return sums{}, err
		}
		total.add(one)
	}
	for _, s := range batch {
		total.tokens += len(s.prompt) + len(s.real) + len(s.easy)
		total.alone += len(s.prompt) + max(len(s.real), len(s.easy)*(1-min(len(s.real), 1)))
	}
	total.updates = 1
	return total, l.optimiser.Step(l.adapter.Flat(), l.grads)
}

func addTo(sum, x []float32) {
	sum = sum[:len(x)]
	for i, v := range x {
		sum[i] += v
	}
}

// sums are losses added up, in nats.
type sums struct {
	real, easy         float64
	realSeen, easySeen int
	tokens, alone      int // read, and what one target to each prompt would have taken
	updates            int
}

// measure adds the loss of one target.
func (s *sums) measure(g goal, nats float64) {
	switch {
	case g.tokens == nil:
	case g.easy:
		s.easy, s.easySeen = s.easy+nats, s.easySeen+1
	default:
		s.real, s.realSeen = s.real+nats, s.realSeen+1
	}
}

func (s *sums) add(o sums) {
	s.real, s.easy = s.real+o.real, s.easy+o.easy
	s.realSeen, s.easySeen = s.realSeen+o.realSeen, s.easySeen+o.easySeen
	s.tokens, s.alone, s.updates = s.tokens+o.tokens, s.alone+o.alone, s.updates+o.updates
}

func (s *sums) means() (real, easy float64) {
	return s.real / float64(max(s.realSeen, 1)), s.easy / float64(max(s.easySeen, 1))
}

// cost is the compute in units of a pass on D alone.
func (s *sums) cost() float64 { return float64(s.tokens) / float64(max(s.alone, 1)) }
