package retrieval

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/softrec/softrec/trainer/soft"
)

// passState is what a pass needs at every prompt.
type passState struct {
	lambda float64
	draw   bool
	easy   *answers  // nil at lambda 0
	weight []float32 // by prompt, of the easy targets; nil = 1
}

// shares are the weights of a prompt's real and easy target in the loss.
func (p *passState) shares(prompt int, rng *rand.Rand) (real, easy float32) {
	r, e := 1-p.lambda, p.lambda
	if p.draw {
		r, e = 1, 0
		if rng.Float64() < p.lambda {
			r, e = 0, 1
		}
	}
	real, easy = float32(r), float32(e)
	if p.weight != nil {
		easy *= p.weight[prompt]
	}
	return real, easy
}

func (l *Learner) passState(p soft.Pass) (*passState, error) {
	if !(p.Lambda >= 0 && p.Lambda <= 1) {
		return nil, fmt.Errorf("train retrieval: lambda %v: want 0 to 1", p.Lambda)
	}
	pass := &passState{lambda: p.Lambda, draw: p.Mix == soft.MixDraw}
	if p.Lambda == 0 {
		return pass, nil
	}
	if l.easy == nil {
		return nil, fmt.Errorf("train retrieval with lambda %v: nothing was distilled", p.Lambda)
	}
	pass.easy = l.easy
	if !p.Confidence {
		return pass, nil
	}
	pass.weight = l.easy.scaled()
	return pass, nil
}

// scaled are the confidences brought to a mean of 1 over the prompts that have an answer.
func (a *answers) scaled() []float32 {
	var sum, n float64
	for i, items := range a.items {
		if len(items) > 0 {
			sum, n = sum+float64(a.confidence[i]), n+1
		}
	}
	out := make([]float32, len(a.confidence))
	for i, c := range a.confidence {
		out[i] = float32(float64(c) * n / max(sum, math.SmallestNonzeroFloat32))
	}
	return out
}

// Train makes one epoch. The losses are means over prompts, in nats, as they stood before each update, with dropout on
// and, for a sampled softmax, as the sample estimates them. That of several answers is the cross-entropy of their
// shares.
func (l *Learner) Train(ctx context.Context, p soft.Pass) (soft.Losses, error) {
	pass, err := l.passState(p)
	if err != nil {
		return soft.Losses{}, err
	}
	seed := l.seed ^ p.Seed*0x9e3779b97f4a7c15
	lengths := make([]int, len(l.texts))
	for i, t := range l.texts {
		lengths[i] = l.engine.enc.Length(len(t))
	}
	parts := plan(lengths, l.engine.cfg.Batch, rand.New(rand.NewPCG(seed, uint64(p.Epoch)<<32)))
	var total sums
	for k, pt := range parts {
		rng := rand.New(rand.NewPCG(seed, uint64(p.Epoch)<<32+uint64(k)+1))
		one, err := l.update(ctx, pt, pass, rng)
		if err != nil {
			return soft.Losses{}, fmt.Errorf("train retrieval, epoch %d, batch %d: %w", p.Epoch, k, err)
		}
		if p.Observe != nil {
			p.Observe(one.means())
		}
		total.add(one)
	}
	real, easy := total.means()
	return soft.Losses{Real: real, Easy: easy, Updates: len(parts), Cost: 1}, nil
}

// sums are losses added up.
type sums struct {
	real, easy         float64
	realSeen, easySeen int
}

func (s *sums) add(o sums) {
	s.real, s.easy = s.real+o.real, s.easy+o.easy
	s.realSeen, s.easySeen = s.realSeen+o.realSeen, s.easySeen+o.easySeen
}

func (s *sums) means() (real, easy float64) {
	return s.real / float64(max(s.realSeen, 1)), s.easy / float64(max(s.easySeen, 1))
}
