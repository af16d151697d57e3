package lm

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	//lint:ignore ST1001 graph code reads as formulas only without the package name, and gomlx itself is written so
	. "github.com/gomlx/gomlx/core/graph"
)

// attend is causal attention within one input; query heads share keys and values in groups (Ainslie et al. 2023, arXiv
// 2305.13245). bias is B x 1 x 1 x T x T.
func (m *Model) attend(q, k, v, bias *Node) *Node {
	d := q.Shape().Dimensions
	p := softmax(Add(m.scores(q, k), bias))
	o := Einsum("bhgqk,bkhd->bqhgd", ConvertDType(p, v.DType()), v)
	return Reshape(o, d[0], d[1], d[2]*d[3])
}

// scores are the scaled products of queries (B x Q x Heads x HeadDim) and keys (B x K x KVHeads x HeadDim) in float32:
// B x KVHeads x group x Q x K.
func (m *Model) scores(q, k *Node) *Node {
	d, kv := q.Shape().Dimensions, k.Shape().Dimensions[2]
	q = Reshape(MulScalar(q, 1/math.Sqrt(float64(d[3]))), d[0], d[1], kv, d[2]/kv, d[3])
	return float(Einsum("bqhgd,bkhd->bhgqk", q, k))
}

// causalBias is 0 where a slot may look, itself and the tokens before it, and masked elsewhere: B x 1 x 1 x T x T.
func causalBias(mask *Node) *Node {
	t := mask.Shape().Dimensions[1]
	seen := Mul(ExpandAxes(float(mask), 1), ExpandAxes(float(triangle(mask.Graph(), t)), 0))
	return ExpandAxes(MulScalar(Sub(OnesLike(seen), seen), masked), 1, 2)
}

// triangle is true at (i, j) with j <= i.
func triangle(g *Graph, t int) *Node {
	s := shapes.Make(dtypes.Int32, t, t)
	return LessOrEqual(Iota(g, s, 1), Iota(g, s, 0))
}

// places are the positions of tokens, counted from 0 over the mask, B x T in float32; padding before the first token is at 0.
func places(mask *Node) *Node {
	t := mask.Shape().Dimensions[1]
	count := matmulT(float(mask), float(triangle(mask.Graph(), t)))
	return MaxScalar(AddScalar(count, -1), 0)
}

// part is attention over some of the keys, not yet divided: what joins to attention over all of them.
type part struct {
	top   *Node // largest score by query
	sum   *Node // sum of e^(score - top)
	mixed *Node // values weighted by the same
}

// attendPart is attention over keys and values (B x K x KVHeads x HeadDim) for queries B x Q x Heads x HeadDim. bias is added to
// the scores B x KVHeads x group x Q x K. top and sum become B x Q x KVHeads x group x 1, mixed B x Q x KVHeads x group x HeadDim.
func (m *Model) attendPart(q, k, v, bias *Node) part {
	s := Add(m.scores(q, k), bias)
	top := ReduceAndKeep(s, ReduceMax, -1)
	e := Exp(Sub(s, top))
	byQuery := func(x *Node) *Node { return TransposeAllAxes(x, 0, 3, 1, 2, 4) }
	mixed := Einsum("bhgqk,bkhd->bqhgd", ConvertDType(e, v.DType()), v)
	return part{byQuery(top), byQuery(ReduceAndKeep(e, ReduceSum, -1)), float(mixed)}
}

// reshape changes the leading two axes of a part to b x q.
func (p part) reshape(b, q int) part {
	to := func(x *Node) *Node {
		d := x.Shape().Dimensions
		return Reshape(x, b, q, d[2], d[3], d[4])
	}
	return part{to(p.top), to(p.sum), to(p.mixed)}
}

// join is the attention over the keys of both parts.
func join(a, b part) *Node {
	top := Max(a.top, b.top)
	x, y := Exp(Sub(a.top, top)), Exp(Sub(b.top, top))
	return Div(Add(Mul(a.mixed, x), Mul(b.mixed, y)), Add(Mul(a.sum, x), Mul(b.sum, y)))
}
