package generative

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/soft"
)

// Train makes one epoch. The losses are means over targets, each summed over its tokens, in nats, as they stood before each
// update, with dropout on and, with MSL, under its softmax.
func (l *Learner) Train(ctx context.Context, p soft.Pass) (soft.Losses, error) {
	pass, err := l.passState(p)
	if err != nil {
		return soft.Losses{}, err
	}
	rng := rand.New(rand.NewPCG(l.seed^p.Seed*0x9e3779b97f4a7c15, uint64(p.Epoch)))
	order := rng.Perm(len(l.prompts))
	var total sums
	for part := range slices.Chunk(order, l.engine.cfg.Batch) {
		batch := make([]sample, 0, len(part))
		for _, n := range part {
			if s := l.sample(n, pass, rng); s.real != nil || s.easy != nil {
				batch = append(batch, s)
			}
		}
		seed := rng.Int32()
		if len(batch) == 0 { // every prompt drew an answer that the teacher did not give
			continue
		}
		one, err := l.update(ctx, batch, seed)
		if err != nil {
			return soft.Losses{}, fmt.Errorf("epoch %d, update %d: %w", p.Epoch, total.updates, err)
		}
		if p.Observe != nil {
			p.Observe(one.means())
		}
		total.add(one)
	}
	real, easy := total.means()
	return soft.Losses{Real: real, Easy: easy, Updates: total.updates, Cost: total.cost()}, nil
}

// sample is one prompt of a batch with what it is trained on. A target that is nil is neither trained on nor measured.
type sample struct {
	prompt               []int32
	real, easy           []int32 // targets, end of text included
	realShare, easyShare float32 // weights in the loss
	view                 titles.View
}

// passState is what a pass needs to make samples.
type passState struct {
	lambda float64
	draw   bool
	watch  bool      // somebody wants the real targets' losses, whatever they weigh
	weight []float32 // confidence by prompt; nil = 1
}

func (l *Learner) passState(p soft.Pass) (*passState, error) {
	if !(p.Lambda >= 0 && p.Lambda <= 1) {
		return nil, fmt.Errorf("train decoder: lambda %v: want 0 to 1", p.Lambda)
	}
	if p.Lambda > 0 && l.easy == nil {
		return nil, errors.New("train decoder: lambda is above 0 but nothing was distilled")
	}
	pass := &passState{lambda: p.Lambda, draw: p.Mix == soft.MixDraw, watch: p.Observe != nil}
	if p.Confidence && l.easy != nil {
		pass.weight = scaled(l.easy)
	}
	return pass, nil
}

// scaled are the answers' confidences brought to a mean of 1 over the prompts that have an answer.
func scaled(answers []answer) []float32 {
	var sum float64
	n := 0
	for _, a := range answers {
		if a.given() {
			sum += a.confidence
			n++
		}
	}
	out := make([]float32, len(answers))
	for i, a := range answers {
		out[i] = float32(a.confidence * float64(n) / max(sum, math.SmallestNonzeroFloat32))
	}
	return out
}

// sample makes prompt n's sample. With both targets in the loss both are measured at every lambda above 0, also where
// the real one weighs nothing: the loss-ratio schedule lives on it, and they share the prompt's forward pass. Where one of
// them is drawn the other is left out, but for a real one that is watched.
func (l *Learner) sample(n int, p *passState, rng *rand.Rand) sample {
	s := sample{prompt: l.prompts[n], real: l.targets[n], realShare: 1}
	if l.engine.cfg.MSL {
		s.view = l.view(n)
	}
	if p.lambda == 0 {
		return s
	}
	weight := float32(1)
	if p.weight != nil {
		weight = p.weight[n]
	}
	var easy []int32
	if l.easy[n].given() {
		easy = l.engine.prompter.Target(l.easy[n].tokens)
	}
	switch {
	case !p.draw:
		s.easy, s.realShare, s.easyShare = easy, float32(1-p.lambda), float32(p.lambda)*weight
	case rng.Float64() < p.lambda:
		s.easy, s.realShare, s.easyShare = easy, 0, weight
		if !p.watch {
			s.real = nil
		}
	}
	return s
}

// view is the catalogue that MSL lets prompt n's targets be taken from: without all that the user had, shown or not. Targets that
// the past holds, real and easy, stay in.
func (l *Learner) view(n int) titles.View {
	if !l.mask {
		return l.table.trie.View()
	}
	p := l.train[n]
	targets := []int32{p.Target}
	if l.easy != nil && l.easy[n].given() {
		targets = append(targets, l.easy[n].item)
	}
	return l.table.trie.View(l.table.namesOf(p.Past(), targets...)...)
}
