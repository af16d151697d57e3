package lm

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	//lint:ignore ST1001 graph code reads as formulas only without the package name, and gomlx itself is written so
	. "github.com/gomlx/gomlx/core/graph"
)

// Cache is what a decoder keeps of tokens it has read, keys and values by layer: K0, V0, K1, V1, ..., each rows x tokens x
// KVHeads x HeadDim, with the positions already in the keys.
type Cache []*Node

// Prefill is Hidden for a decoder that is to go on after the prompts: it also returns their cache, B x T.
func (m *Model) Prefill(ids, mask *Node) (hidden *Node, cache Cache) {
	bias := causalBias(mask)
	hidden = m.decode(ids, places(mask), func(_ int, q, k, v *Node) *Node {
		cache = append(cache, k, v)
		return m.attend(q, k, v, bias)
	})
	return hidden, cache
}

// LastState picks the vector of each row's last token, B x Hidden, from hidden states B x T x Hidden.
func (m *Model) LastState(hidden, mask *Node) *Node {
	at := places(mask)
	last := Mul(float(mask), float(Equal(at, ReduceAndKeep(at, ReduceMax, -1))))
	return Einsum("bt,bth->bh", ConvertDType(last, hidden.DType()), hidden)
}

// Continue reads texts that follow the prompts of a cache, all at once: ids is B*W x Q, the W texts of a prompt next to
// each other, padded on the right. It returns the hidden states, B*W x Q x Hidden. mask is the prompts', B x T. The prompts'
// keys are shared by their texts and never copied.
func (m *Model) Continue(ids, mask *Node, prompt Cache) *Node {
	n, q := ids.Shape().Dimensions[0], ids.Shape().Dimensions[1]
	seen := float(triangle(ids.Graph(), q))
	own := Reshape(MulScalar(Sub(OnesLike(seen), seen), masked), 1, 1, 1, q, q)
	offset := Reshape(Iota(ids.Graph(), shapes.Make(dtypes.Float32, q), 0), 1, q)
	at := Add(promptLengths(mask, n), offset)
	past := promptBias(mask)
	return m.decode(ids, at, func(l int, qs, k, v *Node) *Node {
		return m.attendBoth(qs, prompt[2*l], prompt[2*l+1], past, k, v, own)
	})
}

// Step reads one more token of each text: ids is B*W x 1, slot (int32 scalar) the number of tokens that the texts have already, equal
// for all. written is the cache of these, B*W x S with S > slot, zero from slot on. It returns the hidden states, B*W x 1 x
// Hidden, and the cache with the token in its slot.
func (m *Model) Step(ids, slot, mask *Node, prompt, written Cache) (hidden *Node, next Cache) {
	n, s := ids.Shape().Dimensions[0], written[0].Shape().Dimensions[1]
	place := Iota(ids.Graph(), shapes.Make(dtypes.Int32, s), 0)
	later := float(GreaterThan(place, slot))
	own := Reshape(MulScalar(later, masked), 1, 1, 1, 1, s)
	here := Reshape(Equal(place, slot), 1, s, 1, 1)
	put := func(cache, x *Node) *Node { return Add(cache, Mul(ConvertDType(here, x.DType()), x)) }
	at := Add(promptLengths(mask, n), float(slot))
	past := promptBias(mask)
	hidden = m.decode(ids, at, func(l int, q, k, v *Node) *Node {
		k, v = put(written[2*l], k), put(written[2*l+1], v)
		next = append(next, k, v)
		return m.attendBoth(q, prompt[2*l], prompt[2*l+1], past, k, v, own)
	})
	return hidden, next
}

// attendBoth is attention of queries (B*W x Q x ...) over their prompt's keys and their own.
func (m *Model) attendBoth(q, pastK, pastV, past, k, v, own *Node) *Node {
	d, b := q.Shape().Dimensions, pastK.Shape().Dimensions[0]
	before := m.attendPart(Reshape(q, b, d[0]/b*d[1], d[2], d[3]), pastK, pastV, past)
	o := join(before.reshape(d[0], d[1]), m.attendPart(q, k, v, own))
	return ConvertDType(Reshape(o, d[0], d[1], d[2]*d[3]), q.DType())
}

// promptBias hides the padding of prompts: B x 1 x 1 x 1 x T.
func promptBias(mask *Node) *Node {
	x := float(mask)
	return ExpandAxes(MulScalar(Sub(OnesLike(x), x), masked), 1, 2, 3)
}

// promptLengths are the tokens of each text's prompt, n x 1 in float32 for n = B*W texts.
func promptLengths(mask *Node, n int) *Node {
	b := mask.Shape().Dimensions[0]
	length := ReduceAndKeep(float(mask), ReduceSum, -1)
	return Reshape(BroadcastToDims(length, b, n/b), n, 1)
}
