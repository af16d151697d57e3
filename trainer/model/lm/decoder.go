package lm

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	//lint:ignore ST1001 graph code reads as formulas only without the package name, and gomlx itself is written so
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/hf"
)

// outputHead is the decoders' output matrix, absent where it is the token table.
const outputHead = "lm_head"

// decoderTensors lists the tensors of Llama (Touvron et al. 2023, arXiv 2302.13971) and Qwen2 (arXiv 2407.10671), which
// differ in biases alone.
func decoderTensors(c hf.Config) (map[string][]int, error) {
	switch c.Activation {
	case "silu", "gelu", "gelu_new", "relu":
	default:
		return nil, fmt.Errorf("activation %q: want silu, gelu, gelu_new or relu", c.Activation)
	}
	if _, err := ropeFrequencies(c); err != nil {
		return nil, err
	}
	h, q, kv, f := c.Hidden, c.Heads*c.HeadDim, c.KVHeads*c.HeadDim, c.Intermediate
	out := map[string][]int{tokenTable: {c.Vocab, h}, "model.norm.weight": {h}}
	if !c.Tied {
		out[outputHead+".weight"] = []int{c.Vocab, h}
	}
	for l := range c.Layers {
		p := decoderLayer(l)
		linear := func(name string, to, from int, bias bool) {
			out[p+name+".weight"] = []int{to, from}
			if bias {
				out[p+name+".bias"] = []int{to}
			}
		}
		linear("self_attn.q_proj", q, h, c.AttentionBias)
		linear("self_attn.k_proj", kv, h, c.AttentionBias)
		linear("self_attn.v_proj", kv, h, c.AttentionBias)
		linear("self_attn.o_proj", h, q, c.OutputBias)
		linear("mlp.gate_proj", f, h, c.MLPBias)
		linear("mlp.up_proj", f, h, c.MLPBias)
		linear("mlp.down_proj", h, f, c.MLPBias)
		out[p+"input_layernorm.weight"], out[p+"post_attention_layernorm.weight"] = []int{h}, []int{h}
	}
	return out, nil
}

func decoderLayer(l int) string { return fmt.Sprintf("model.layers.%d.", l) }

// attention mixes values for one layer: q is B x T x Heads x HeadDim, k and v are B x T x KVHeads x HeadDim, positions
// already in q and k. It returns B x T x Heads*HeadDim.
type attention func(layer int, q, k, v *Node) *Node

// decoderHidden is a decoder up to the last hidden states, after the final norm, as transformers gives them.
func (m *Model) decoderHidden(ids, mask *Node) *Node {
	bias := causalBias(mask)
	return m.decode(ids, places(mask), func(_ int, q, k, v *Node) *Node { return m.attend(q, k, v, bias) })
}

// decode runs the layers on ids (B x T) at positions (B x T, float32).
func (m *Model) decode(ids, positions *Node, mix attention) *Node {
	c := m.base.cfg
	b, t := ids.Shape().Dimensions[0], ids.Shape().Dimensions[1]
	if t > c.MaxPositions {
		fail("input of %d tokens: want at most %d", t, c.MaxPositions)
	}
	x := Gather(m.weight(tokenTable), ExpandAxes(ids, -1))
	rope := newRotary(c, positions, x.DType())
	for l := range c.Layers {
		p := decoderLayer(l)
		x = m.layer(x)
		h := m.rmsNorm(p+"input_layernorm.weight", x)
		q := Reshape(m.linear(p+"self_attn.q_proj", h), b, t, c.Heads, c.HeadDim)
		k := Reshape(m.linear(p+"self_attn.k_proj", h), b, t, c.KVHeads, c.HeadDim)
		v := Reshape(m.linear(p+"self_attn.v_proj", h), b, t, c.KVHeads, c.HeadDim)
		x = Add(x, m.linear(p+"self_attn.o_proj", mix(l, rope.turn(q), rope.turn(k), v)))
		h = m.rmsNorm(p+"post_attention_layernorm.weight", x)
		gate := m.gate(m.linear(p+"mlp.gate_proj", h))
		x = Add(x, m.linear(p+"mlp.down_proj", Mul(gate, m.linear(p+"mlp.up_proj", h))))
	}
	return m.rmsNorm("model.norm.weight", m.layersEnd(x))
}

// decoderLogits are the scores of the next token.
func (m *Model) decoderLogits(hidden *Node) *Node {
	if m.base.cfg.Tied {
		return float(matmulT(hidden, m.weight(tokenTable)))
	}
	return float(m.linear(outputHead, hidden))
}

// gate is the activation of the gated feed-forward block (Shazeer 2020, arXiv 2002.05202), SwiGLU with silu.
func (m *Model) gate(x *Node) *Node {
	if m.base.cfg.Activation == "silu" {
		return Mul(x, Sigmoid(x))
	}
	return m.activation(x)
}

// rmsNorm divides by the root mean square (Zhang and Sennrich 2019, arXiv 1910.07467), in float32. The sum is a product
// with ones: five times as fast as a reduction on the Go backend. gomlx has no gradient for the inverse square root.
func (m *Model) rmsNorm(name string, x *Node) *Node {
	y := float(x)
	n := y.Shape().Dimensions[y.Rank()-1]
	sum := matmul(Square(y), Ones(x.Graph(), shapes.Make(dtypes.Float32, n, 1)))
	y = Mul(y, Reciprocal(Sqrt(AddScalar(MulScalar(sum, 1/float64(n)), m.base.cfg.NormEps))))
	return ConvertDType(Mul(y, expandTo(m.weight(name), y)), x.DType())
}
