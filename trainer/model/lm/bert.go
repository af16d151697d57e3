package lm

import (
	"fmt"
	"math"

	//lint:ignore ST1001 graph code reads as formulas only without the package name, and gomlx itself is written so
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/hf"
)

// masked is what attention adds to the score of padding: e^masked is 0 in float32.
const masked = -1e9

// bertTensors lists BERT's tensors (Devlin et al. 2019, arXiv 1810.04805) without the pooler, which sentence vectors do not use.
func bertTensors(c hf.Config) (map[string][]int, error) {
	if c.Activation != "gelu" && c.Activation != "gelu_new" && c.Activation != "relu" {
		return nil, fmt.Errorf("activation %q: want gelu, gelu_new or relu", c.Activation)
	}
	h, f := c.Hidden, c.Intermediate
	out := map[string][]int{
		"embeddings.word_embeddings.weight":       {c.Vocab, h},
		"embeddings.position_embeddings.weight":   {c.MaxPositions, h},
		"embeddings.token_type_embeddings.weight": {c.TypeVocab, h},
		"embeddings.LayerNorm.weight":             {h},
		"embeddings.LayerNorm.bias":               {h},
	}
	for l := range c.Layers {
		p := bertLayer(l)
		for name, dims := range map[string][2]int{
			"attention.self.query": {h, h}, "attention.self.key": {h, h}, "attention.self.value": {h, h},
			"attention.output.dense": {h, h}, "intermediate.dense": {f, h}, "output.dense": {h, f},
		} {
			out[p+name+".weight"], out[p+name+".bias"] = dims[:], []int{dims[0]}
		}
		for _, name := range []string{"attention.output.LayerNorm", "output.LayerNorm"} {
			out[p+name+".weight"], out[p+name+".bias"] = []int{h}, []int{h}
		}
	}
	return out, nil
}

func bertLayer(l int) string { return fmt.Sprintf("encoder.layer.%d.", l) }

// bertHidden is the encoder up to the last hidden states.
func (m *Model) bertHidden(ids, mask *Node) *Node {
	x := m.bertEmbeddings(ids)
	bias := MulScalar(Sub(OnesLike(float(mask)), float(mask)), masked)
	bias = ExpandAxes(bias, 1, 2) // B x 1 x 1 x T
	for l := range m.base.cfg.Layers {
		p := bertLayer(l)
		x = m.layer(x)
		a := m.linear(p+"attention.output.dense", m.bertAttention(p+"attention.self.", x, bias))
		x = m.layerNorm(p+"attention.output.LayerNorm", Add(x, a))
		f := m.activation(m.linear(p+"intermediate.dense", x))
		x = m.layerNorm(p+"output.LayerNorm", Add(x, m.linear(p+"output.dense", f)))
	}
	return m.layersEnd(x)
}

// bertEmbeddings sums word, position and type vectors. All tokens are of type 0: softrec's texts are one sentence.
func (m *Model) bertEmbeddings(ids *Node) *Node {
	t, h := ids.Shape().Dimensions[1], m.base.cfg.Hidden
	if t > m.base.cfg.MaxPositions {
		fail("input of %d tokens: want at most %d", t, m.base.cfg.MaxPositions)
	}
	x := Gather(m.weight("embeddings.word_embeddings.weight"), ExpandAxes(ids, -1))
	pos := Slice(m.weight("embeddings.position_embeddings.weight"), AxisRange(0, t))
	kind := Slice(m.weight("embeddings.token_type_embeddings.weight"), AxisRange(0, 1))
	x = Add(Add(x, Reshape(pos, 1, t, h)), Reshape(kind, 1, 1, h))
	return m.layerNorm("embeddings.LayerNorm", x)
}

// bertAttention is multi-head self-attention before its output projection. Heads are moved before tokens by hand: the
// gradients of an einsum over the layout of the projections cost more transposes.
func (m *Model) bertAttention(p string, x, bias *Node) *Node {
	d := x.Shape().Dimensions
	heads, width := m.base.cfg.Heads, m.base.cfg.Hidden/m.base.cfg.Heads
	split := func(y *Node) *Node { return TransposeAllAxes(Reshape(y, d[0], d[1], heads, width), 0, 2, 1, 3) }
	q := split(MulScalar(m.linear(p+"query", x), 1/math.Sqrt(float64(width))))
	k, v := split(m.linear(p+"key", x)), split(m.linear(p+"value", x))
	each := []int{0, 1} // batch and head
	s := Add(float(product(q, k).General([]int{3}, each, []int{3}, each)), bias)
	o := product(ConvertDType(softmax(s), v.DType()), v).General([]int{3}, each, []int{2}, each)
	return Reshape(TransposeAllAxes(o, 0, 2, 1, 3), d[0], d[1], heads*width)
}

// layerNorm normalises the last axis in float32 and gives back the activations' type.
func (m *Model) layerNorm(name string, x *Node) *Node {
	y := float(x)
	n := float64(y.Shape().Dimensions[y.Rank()-1])
	y = Sub(y, MulScalar(ReduceAndKeep(y, ReduceSum, -1), 1/n))
	variance := MulScalar(ReduceAndKeep(Square(y), ReduceSum, -1), 1/n)
	y = Mul(y, Reciprocal(Sqrt(AddScalar(variance, m.base.cfg.NormEps))))
	y = Add(Mul(y, expandTo(m.weight(name+".weight"), y)), expandTo(m.weight(name+".bias"), y))
	return ConvertDType(y, x.DType())
}

// activation is the one of the feed-forward block.
func (m *Model) activation(x *Node) *Node {
	switch m.base.cfg.Activation {
	case "relu":
		return Max(x, ZerosLike(x))
	case "gelu_new": // the tanh form
		cube := Mul(x, Square(x))
		t := Tanh(MulScalar(Add(x, MulScalar(cube, 0.044715)), math.Sqrt(2/math.Pi)))
		return MulScalar(Mul(x, AddScalar(t, 1)), 0.5)
	default: // exact gelu
		return MulScalar(Mul(x, AddScalar(Erf(MulScalar(x, math.Sqrt2/2)), 1)), 0.5)
	}
}

// softmax over the last axis. The fused one of gomlx computes everything a second time for its gradient.
func softmax(x *Node) *Node {
	e := Exp(Sub(x, StopGradient(ReduceAndKeep(x, ReduceMax, -1))))
	return Mul(e, Reciprocal(ReduceAndKeep(e, ReduceSum, -1)))
}
