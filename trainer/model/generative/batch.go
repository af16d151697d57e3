package generative

import (
	"errors"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/titles"
)

// shape is what a compiled step depends on.
type shape struct {
	rows   int // prompts
	width  int // targets of a prompt: 2 where D and D' are both in the loss, sharing the prompt's forward pass
	prompt int // tokens, padded on the right
	target int
}

// goal is one target of a run.
type goal struct {
	tokens []int32 // nil = none in this place
	share  float32 // weight in the loss
	easy   bool
	view   titles.View // MSL: what the target may be
}

// goals lists the targets of samples, width to each. share is divided by n, the samples of the update.
func goals(samples []sample, width, n int) []goal {
	out := make([]goal, 0, width*len(samples))
	for _, s := range samples {
		real := goal{s.real, s.realShare / float32(n), false, s.view}
		easy := goal{s.easy, s.easyShare / float32(n), true, s.view}
		switch {
		case width == 2:
			out = append(out, real, easy)
		case s.real != nil:
			out = append(out, real)
		default:
			out = append(out, easy)
		}
	}
	return out
}

// bucket rounds a prompt's length up: finely where most prompts are, so that few shapes are compiled and little is
// padding.
func bucket(n int) int {
	switch {
	case n <= 64:
		return up(n, 16)
	case n <= 256:
		return up(n, 32)
	default:
		return up(n, 128)
	}
}

func up(n, step int) int { return max(step, (n+step-1)/step*step) }

// shapeOf is the smallest shape that holds samples; micro is the largest number of them in a run.
func shapeOf(samples []sample, micro int) shape {
	s := shape{rows: up(len(samples), (micro+3)/4), width: 1}
	for _, x := range samples {
		s.prompt = max(s.prompt, len(x.prompt))
		s.target = max(s.target, len(x.real), len(x.easy))
		if x.real != nil && x.easy != nil {
			s.width = 2
		}
	}
	s.prompt, s.target = bucket(s.prompt), up(s.target, 4)
	return s
}

// Positions of the inputs of a step. B = rows, P = prompt, N = rows*width, L = target, V = vocabulary.
const (
	inPrompt  = iota // B x P int32
	inMask           // B x P: 1 where a token is
	inTarget         // N x L int32
	inLive           // N x L: 1 where a target has a token
	inShare          // N: weight of the target in the loss
	inSeed           // int32 scalar, for the adapter's dropout
	inAllowed        // N x L x V bool: MSL's mask, absent without MSL
)

// inputs lays a run out as the graph wants it, prompts padded to no more than the model's positions. The caller frees the tensors.
func (e *Engine) inputs(samples []sample, goals []goal, s shape, seed int32) []*tensors.Tensor {
	s.prompt = min(s.prompt, e.base.Config().MaxPositions)
	n := s.rows * s.width
	prompts, mask := make([]int32, s.rows*s.prompt), make([]float32, s.rows*s.prompt)
	for i := range s.rows {
		p := samples[min(i, len(samples)-1)].prompt // a row too many repeats the last, so that its softmax stays finite
		copy(prompts[i*s.prompt:], p)
		ones(mask[i*s.prompt:][:len(p)])
	}
	target, live, share := make([]int32, n*s.target), make([]float32, n*s.target), make([]float32, n)
	for i, g := range goals {
		copy(target[i*s.target:], g.tokens)
		ones(live[i*s.target:][:len(g.tokens)])
		share[i] = g.share
		if e.cfg.LengthNormalised {
			share[i] /= float32(max(len(g.tokens), 1))
		}
	}
	out := []*tensors.Tensor{
		tensors.FromFlatDataAndDimensions(prompts, s.rows, s.prompt),
		tensors.FromFlatDataAndDimensions(mask, s.rows, s.prompt),
		tensors.FromFlatDataAndDimensions(target, n, s.target),
		tensors.FromFlatDataAndDimensions(live, n, s.target),
		tensors.FromFlatDataAndDimensions(share, n),
		tensors.FromScalar(seed),
	}
	if e.cfg.MSL {
		out = append(out, tensors.FromFlatDataAndDimensions(e.allowed(goals, s), n, s.target, e.vocab))
	}
	return out
}

// allowed is MSL's mask of a run. Slots without a token allow everything, so that their softmax stays finite.
func (e *Engine) allowed(goals []goal, s shape) []bool {
	row := s.target * e.vocab
	out := make([]bool, s.rows*s.width*row)
	for i := range s.rows * s.width {
		var g goal
		if i < len(goals) {
			g = goals[i]
		}
		own := out[i*row : (i+1)*row]
		allow(own, e.vocab, g.view, g.tokens, e.prompter.EOS())
		fill(own[len(g.tokens)*e.vocab:], true)
	}
	return out
}

func ones(x []float32) { fill(x, 1) }

func fill[T any](x []T, v T) {
	for i := range x {
		x[i] = v
	}
}

// release frees a run's inputs, except where the run is stuck and still reads them.
func release(list []*tensors.Tensor, err error) {
	if errors.Is(err, lm.ErrStuck) {
		return
	}
	for _, t := range list {
		t.MustFinalizeAll()
	}
}

// runs parts a batch into graph runs of at most micro samples of about equal length, so that little is padding.
func runs(batch []sample, micro int) [][]sample {
	batch = slices.Clone(batch)
	slices.SortStableFunc(batch, func(a, b sample) int { return len(a.prompt) - len(b.prompt) })
	return slices.Collect(slices.Chunk(batch, micro))
}
