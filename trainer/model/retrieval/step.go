package retrieval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/softrec/softrec/trainer/model/lm"
)

// update makes one step of the optimiser on one batch, in as many runs of the graph as micro-batches ask for.
func (l *Learner) update(ctx context.Context, pt part, pass *passState, rng *rand.Rand) (sums, error) {
	total, grads, err := l.gradients(ctx, pt, pass, rng)
	if err != nil {
		return sums{}, err
	}
	if s := total.real + total.easy; math.IsNaN(s) || math.IsInf(s, 0) {
		return sums{}, fmt.Errorf("loss is %v: the adapter has diverged", s)
	}
	return total, l.adam.Step(l.adapter.Flat(), grads)
}

// gradients are those of the batch's mean loss, in the order of the adapter's tensors.
func (l *Learner) gradients(ctx context.Context, pt part, pass *passState, rng *rand.Rand) (sums, [][]float32, error) {
	flat := l.adapter.Flat()
	grads := make([][]float32, len(flat))
	for i, t := range flat {
		grads[i] = make([]float32, len(t))
	}
	var total sums
	size := l.engine.cfg.micro()
	sample := l.sample(rng)
	for at := 0; at < len(pt.prompts); at += size {
		b := l.layOut(pt.prompts[at:min(at+size, len(pt.prompts))], len(pt.prompts), pass, sample, rng)
		one, err := l.run(ctx, b, pt.length, grads)
		if err != nil {
			return sums{}, nil, err
		}
		total.add(one)
	}
	return total, grads, nil
}

// run executes the graph on a batch, adds its gradients to grads and returns its losses.
func (l *Learner) run(ctx context.Context, b *batch, length int, grads [][]float32) (sums, error) {
	program, err := l.engine.stepProgram(l.adapter, b.sample != nil)
	if err != nil {
		return sums{}, err
	}
	enc, head := Split(l.adapter)
	in, own := l.inputs(b, length, head)
	var total sums
	err = program.Run(ctx, enc, in, func(out int, values []float32) {
		if out == outLosses {
			total = b.losses(values)
			return
		}
		g := grads[out-outGradients]
		for i, v := range values {
			g[i] += v
		}
	})
	if errors.Is(err, lm.ErrStuck) { // the stuck run still reads the inputs
		return sums{}, err
	}
	for _, t := range own {
		err = errors.Join(err, t.FinalizeAll())
	}
	return total, err
}
