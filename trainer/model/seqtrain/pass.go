package seqtrain

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/softrec/softrec/trainer/soft"
)

// passState is what a pass needs at every slot.
type passState struct {
	lambda float64
	draw   bool
	easy   []int32
	weight []float32 // by prompt; nil = 1
}

// target gives a slot its easy target and both shares.
func (p *passState) target(s *slot, prompt int, rng *rand.Rand) {
	real, easy, w := 1-p.lambda, p.lambda, float32(1)
	if p.draw {
		real, easy = 1, 0
		if rng.Float64() < p.lambda {
			real, easy = 0, 1
		}
	}
	if p.easy != nil {
		s.easy = p.easy[prompt]
	}
	if p.weight != nil {
		w = p.weight[prompt]
	}
	s.realShare, s.easyShare = float32(real), float32(easy)*w
}

// Train makes one epoch. The losses are means over the positions, in nats, as they stood before each update, with
// dropout on and, for a sampled softmax, as the sample estimates them.
func (l *Learner) Train(ctx context.Context, p soft.Pass) (soft.Losses, error) {
	pass, err := l.passState(p)
	if err != nil {
		return soft.Losses{}, err
	}
	cfg := l.weights.Config()
	seed := l.seed ^ p.Seed*0x9e3779b97f4a7c15
	rows := pack(l.seqs, cfg.MaxLen, rand.New(rand.NewPCG(seed, uint64(p.Epoch)<<32)))
	var total sums
	for at := 0; at < len(rows); at += l.cfg.Batch {
		total.updates++
		part := rows[at:min(at+l.cfg.Batch, len(rows))]
		rng := rand.New(rand.NewPCG(seed, uint64(p.Epoch)<<32+uint64(total.updates)))
		b := l.assemble(part, batchRows(len(part), l.cfg.Batch), pass, rng)
		one, err := l.step(ctx, b)
		if err != nil {
			return soft.Losses{}, fmt.Errorf("epoch %d, step %d: %w", p.Epoch, total.updates, err)
		}
		if p.Observe != nil {
			p.Observe(one.means())
		}
		total.add(one)
	}
	real, easy := total.means()
	return soft.Losses{Real: real, Easy: easy, Updates: total.updates}, nil
}

func (l *Learner) passState(p soft.Pass) (*passState, error) {
	if !(p.Lambda >= 0 && p.Lambda <= 1) {
		return nil, fmt.Errorf("train sequence: lambda %v: want 0 to 1", p.Lambda)
	}
	if p.Lambda > 0 && l.easy == nil {
		return nil, fmt.Errorf("train sequence with lambda %v: nothing was distilled", p.Lambda)
	}
	pass := &passState{lambda: p.Lambda, draw: p.Mix == soft.MixDraw, easy: l.easy}
	if p.Confidence && l.easy != nil {
		var sum float64
		for _, c := range l.confidence {
			sum += float64(c)
		}
		pass.weight = make([]float32, len(l.confidence))
		for i, c := range l.confidence {
			pass.weight[i] = float32(float64(c) * float64(len(l.confidence)) / max(sum, math.SmallestNonzeroFloat32))
		}
	}
	return pass, nil
}

// batchRows rounds a part of a batch up to a quarter, so that there are at most four shapes to compile.
func batchRows(n, batch int) int {
	quarter := (batch + 3) / 4
	return min((n+quarter-1)/quarter*quarter, batch)
}

// sums are losses added up.
type sums struct {
	real, easy         float64
	realSeen, easySeen int
	updates            int
}

func (s *sums) add(o sums) {
	s.real, s.easy = s.real+o.real, s.easy+o.easy
	s.realSeen, s.easySeen = s.realSeen+o.realSeen, s.easySeen+o.easySeen
}

func (s *sums) means() (real, easy float64) {
	return s.real / float64(max(s.realSeen, 1)), s.easy / float64(max(s.easySeen, 1))
}
