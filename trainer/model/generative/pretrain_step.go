package generative

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/gomlx/core/tensors"
	//lint:ignore ST1001 graph code reads as formulas only without the package name, and gomlx itself is written so
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
)

// readStep is one step of language modelling: the mean loss per token and its gradients. ids and mask are B x T.
func readStep(m *lm.Model, in []*Node) []*Node {
	ids, mask := in[0], in[1]
	t := ids.Shape().Dimensions[1]
	h := Slice(m.Hidden(ids, mask), AxisRange(), AxisRange(0, t-1))
	next, live := Slice(ids, AxisRange(), AxisRange(1, t)), Slice(mask, AxisRange(), AxisRange(1, t))
	loss := Div(ReduceAllSum(Mul(crossEntropy(m.Logits(h), next), live)), ReduceAllSum(live))
	return append([]*Node{loss}, Gradient(loss, m.Trainable()...)...)
}

// readBatch runs the step on texts, padded to at most most tokens, and copies the gradients to grads.
func readBatch(ctx context.Context, p *lm.Program, a *lora.Adapter, texts [][]int32, most int, grads [][]float32) (loss float64, err error) {
	width := 0
	for _, t := range texts {
		width = max(width, len(t))
	}
	width = min(up(width, 8), most)
	ids, mask := make([]int32, len(texts)*width), make([]float32, len(texts)*width)
	for i, t := range texts {
		copy(ids[i*width:], t)
		ones(mask[i*width:][:len(t)])
	}
	data := []*tensors.Tensor{
		tensors.FromFlatDataAndDimensions(ids, len(texts), width), tensors.FromFlatDataAndDimensions(mask, len(texts), width),
	}
	defer func() { release(data, err) }()
	err = p.Run(ctx, a, data, func(out int, values []float32) {
		if out == 0 {
			loss = float64(values[0])
			return
		}
		grads[out-1] = append(grads[out-1][:0], values...)
	})
	if err == nil && (math.IsNaN(loss) || math.IsInf(loss, 0)) {
		err = fmt.Errorf("loss is %v: the weights have diverged", loss)
	}
	return loss, err
}

// initialSpread is the standard deviation of random weights, as in Llama.
const initialSpread = 0.02

// randomWeights draws a tied Llama's tensors: matrices normal, norms 1.
func randomWeights(c hf.Config, seed uint64) map[string]hf.Tensor {
	rng := rand.New(rand.NewPCG(seed, 0x11a))
	out := map[string]hf.Tensor{}
	normal := func(name string, rows, cols int) {
		data := make([]float32, rows*cols)
		for i := range data {
			data[i] = float32(initialSpread * rng.NormFloat64())
		}
		out[name] = hf.Tensor{Shape: []int{rows, cols}, Data: data}
	}
	norm := func(name string) {
		data := make([]float32, c.Hidden)
		ones(data)
		out[name] = hf.Tensor{Shape: []int{c.Hidden}, Data: data}
	}
	h, q, kv := c.Hidden, c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	normal("model.embed_tokens.weight", c.Vocab, h)
	for l := range c.Layers {
		p := fmt.Sprintf("model.layers.%d.", l)
		norm(p + "input_layernorm.weight")
		normal(p+"self_attn.q_proj.weight", q, h)
		normal(p+"self_attn.k_proj.weight", kv, h)
		normal(p+"self_attn.v_proj.weight", kv, h)
		normal(p+"self_attn.o_proj.weight", h, q)
		norm(p + "post_attention_layernorm.weight")
		normal(p+"mlp.gate_proj.weight", c.Intermediate, h)
		normal(p+"mlp.up_proj.weight", c.Intermediate, h)
		normal(p+"mlp.down_proj.weight", h, c.Intermediate)
	}
	norm("model.norm.weight")
	return out
}
