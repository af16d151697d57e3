package decoder

import (
	"context"
	"fmt"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/lora"
)

// Generate writes after each prompt and returns its texts, best first: by prompt, at most Options.Return each, fewer where the
// search found fewer. A nil adapter is the frozen base. Prompts are complete (see Text); results come in their order.
func (g *Generator) Generate(ctx context.Context, a *lora.Adapter, prompts [][]int32, o Options) ([][]Beam, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	views := o.views(len(prompts))
	r := g.rules(o, views)
	if err := g.check("prompt", prompts, r.maxNew); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	p, err := g.of(a)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	out := make([][]Beam, len(prompts))
	order := byLength(prompts)
	for size := g.prompts(r.beams); len(order) > 0; order = order[min(size, len(order)):] {
		run := &generation{g: g, p: p, adapter: a, rules: r}
		chunk := order[:min(size, len(order))]
		for _, n := range chunk {
			run.searches = append(run.searches, newSearch(r, views[n].Root()))
		}
		if err := run.all(ctx, pick(prompts, chunk)); err != nil {
			return nil, fmt.Errorf("generate: %w", err)
		}
		for i, n := range chunk {
			out[n] = run.searches[i].results(max(1, o.Return))
		}
	}
	return out, nil
}

// generation is one batch of prompts on its way.
type generation struct {
	g        *Generator
	p        *programs
	adapter  *lora.Adapter
	rules    rules
	searches []*search

	rows    int // prompts with padding
	mask    *tensors.Tensor
	prompt  []*tensors.Tensor
	written []*tensors.Tensor
	logp    []float32 // rows x beams x vocabulary
}

// all runs the searches to their ends.
func (r *generation) all(ctx context.Context, prompts [][]int32) (err error) {
	defer func() { freeUnless(&err, slices.Concat([]*tensors.Tensor{r.mask}, r.prompt, r.written)...) }()
	logp, err := r.prefill(ctx, prompts)
	if err != nil {
		return err
	}
	vocab := r.g.base.Config().Vocab
	for i, s := range r.searches {
		s.advance(func(int) []float32 { return logp[i*vocab:][:vocab] })
	}
	for slot := 0; r.open(); slot++ {
		if err := r.step(ctx, slot); err != nil {
			return err
		}
		for i, s := range r.searches {
			s.advance(func(row int) []float32 { return r.logp[(i*r.rules.beams+row)*vocab:][:vocab] })
		}
	}
	return nil
}

func (r *generation) open() bool {
	for _, s := range r.searches {
		if !s.closed {
			return true
		}
	}
	return false
}

// prefill reads the prompts and returns the log-probabilities of what comes first.
func (r *generation) prefill(ctx context.Context, prompts [][]int32) (logp []float32, err error) {
	most := r.g.base.Config().MaxPositions
	r.rows = count(len(prompts), r.g.prompts(r.rules.beams))
	ids, mask := pad(prompts, r.rows, length(widest(prompts), most)).tensors()
	defer func() { freeUnless(&err, ids) }()
	r.mask = mask
	out, err := r.p.prefill.Call(ctx, r.adapter, []*tensors.Tensor{ids, mask})
	if err != nil {
		return nil, err
	}
	r.prompt = out[1:]
	defer free(out[0])
	if logp, err = floats(out[0], nil); err != nil {
		return nil, err
	}
	c, dtype := r.g.base.Config(), dtypes.Float32
	if len(r.prompt) > 0 {
		dtype = r.prompt[0].DType()
	}
	own := shapes.Make(dtype, r.rows*r.rules.beams, length(r.rules.maxNew, most), c.KVHeads, c.HeadDim)
	for range r.prompt {
		r.written = append(r.written, tensors.FromShape(own))
	}
	return logp, nil
}

// step reads the token that each open text ends in and fetches the log-probabilities of the next one.
func (r *generation) step(ctx context.Context, slot int) (err error) {
	n, w := r.rows*r.rules.beams, r.rules.beams
	ids, parents := make([]int32, n), make([]int32, n)
	for i, s := range r.searches {
		if s.closed {
			continue
		}
		for row, t := range s.open {
			ids[i*w+row], parents[i*w+row] = t.tokens[slot], int32(i*w+s.parents[row])
		}
	}
	data := []*tensors.Tensor{
		tensors.FromFlatDataAndDimensions(ids, n, 1), tensors.FromFlatDataAndDimensions(parents, n),
		tensors.FromScalar(int32(slot)), r.mask,
	}
	own := data[:3:3]
	defer func() { freeUnless(&err, own...) }()
	data = append(append(data, r.prompt...), r.written...)
	out, err := r.p.step.Call(ctx, r.adapter, data)
	if err != nil {
		return err
	}
	free(r.written...)
	r.written = out[1:]
	defer free(out[0])
	r.logp, err = floats(out[0], r.logp)
	return err
}

// floats copies a tensor into buf or, where that is too small, a new slice.
func floats(t *tensors.Tensor, buf []float32) ([]float32, error) {
	err := tensors.ConstFlatData(t, func(v []float32) { buf = append(buf[:0], v...) })
	if err != nil {
		return nil, fmt.Errorf("read log-probabilities: %w", err)
	}
	return buf, nil
}
