package seqtrain

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	//lint:ignore ST1001 graph code reads as formulas only without the package name, and gomlx itself is written so
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// normEps is the one of sequence's inference.
const normEps = 1e-6

// shape is what a compiled step depends on.
type shape struct {
	rows      int // batch rows
	negatives int // rows of the softmax
}

// Positions of the inputs of a step. N = rows*MaxLen slots, K = negatives.
const (
	inStream    = iota // N x Dim: scaled item vectors plus positions, after dropout
	inMask             // rows x MaxLen x MaxLen: 0 where a slot may look, -1e9 elsewhere
	inNegatives        // K x Dim: item vectors of the softmax
	inInverse          // K x 1: one over the chance to be drawn, 0 = not there
	inReal             // N x Dim: vectors of the real targets
	inEasy             // N x Dim: vectors of the easy targets
	inRealOwn          // N x 1: what the target's own term in the sampled sum must be corrected by
	inEasyOwn          // N x 1
	inRealShare        // N x 1: weight of the slot in the loss
	inEasyShare        // N x 1
	inRealSeen         // N x 1: 1 where the slot has a real target
	inEasySeen         // N x 1
	inDropout          // 2*Layers times N x Dim, absent without dropout; then the weights from positions' successor on
)

// Positions of the outputs of a step; the gradients of the network's tensors follow.
const (
	outReal = iota // sum of the cross-entropy of the real targets, nats
	outEasy
	outLoss // what the gradients are of
	gradStream
	gradNegatives
	gradReal
	gradEasy
	gradTensors
)

// network builds the graphs of one architecture.
type network struct {
	cfg   sequence.Config
	vary  Variation
	power float64 // of the target's probability in gBCE; 0 without
}

// dropouts is the number of dropout masks a step takes.
func (n network) dropouts() int {
	if n.cfg.Dropout == 0 {
		return 0
	}
	return 2 * n.cfg.Layers
}

// step is the graph of one training step: losses and gradients.
func (n network) step(in []*Node) []*Node {
	masks := in[inDropout : inDropout+n.dropouts()]
	tensors := in[inDropout+n.dropouts():]
	h := n.hidden(in[inStream], in[inMask], masks, tensors)
	loss := n.crossEntropy
	if n.vary.Binary {
		loss = n.binary
	}
	real, easy := loss(h, in)
	sumReal, sumEasy := inner(real, in[inRealSeen]), inner(easy, in[inEasySeen])
	total := Add(inner(real, in[inRealShare]), inner(easy, in[inEasyShare]))
	wrt := append([]*Node{in[inStream], in[inNegatives], in[inReal], in[inEasy]}, tensors...)
	return append([]*Node{sumReal, sumEasy, total}, Gradient(total, wrt...)...)
}

// hidden is the network up to the vectors that are multiplied with the item table: N x Dim.
// tensors are those of sequence.Weights from the first block on, and behind them those of the gates.
func (n network) hidden(x, mask *Node, dropout, tensors []*Node) *Node {
	const q, k, v, o, ff1, ff1b, ff2, perBlock = 0, 1, 2, 3, 4, 5, 6, 7
	drop := func(i int, y *Node) *Node {
		if len(dropout) == 0 {
			return y
		}
		return Mul(y, dropout[i])
	}
	for l := range n.cfg.Layers {
		t := tensors[l*perBlock:]
		if n.vary.Gated {
			x = n.gated(x, mask, drop, l, t, tensors[n.cfg.Layers*perBlock+1+l*tensorsPerGate:])
			continue
		}
		h := normalise(x)
		a := n.attention(matmul(h, MulScalar(t[q], 1/math.Sqrt(float64(n.cfg.Dim/n.cfg.Heads)))), matmul(h, t[k]), matmul(h, t[v]), mask)
		x = Add(x, drop(2*l, matmul(a, t[o])))
		f := matmul(normalise(x), t[ff1])
		f = Max(Add(f, Reshape(t[ff1b], 1, n.cfg.FF)), ScalarZero(x.Graph(), dtypes.Float32))
		x = Add(x, drop(2*l+1, matmul(f, t[ff2])))
	}
	return Mul(normalise(x), Reshape(tensors[n.cfg.Layers*perBlock], 1, n.cfg.Dim))
}

// attention mixes the values of the slots that the mask allows; all are N x Dim.
func (n network) attention(q, k, v, mask *Node) *Node {
	rows, slots, d := mask.Shape().Dimensions[0], n.cfg.MaxLen, n.cfg.Dim
	if n.cfg.Heads == 1 { // the same as below without the transposes, which cost the Go backend as much as the products
		q, k, v = Reshape(q, rows, slots, d), Reshape(k, rows, slots, d), Reshape(v, rows, slots, d)
		p := softmax(Add(DotGeneral(q, []int{2}, []int{0}, k, []int{2}, []int{0}), mask))
		return Reshape(DotGeneral(p, []int{2}, []int{0}, v, []int{1}, []int{0}), rows*slots, d)
	}
	h := n.cfg.Heads
	q, k, v = Reshape(q, rows, slots, h, d/h), Reshape(k, rows, slots, h, d/h), Reshape(v, rows, slots, h, d/h)
	p := softmax(Add(Einsum("bqhd,bkhd->bhqk", q, k), ExpandAxes(mask, 1)))
	return Reshape(Einsum("bhqk,bkhd->bqhd", p, v), rows*slots, d)
}

// crossEntropy is the loss of every slot for its real and its easy target, N x 1 each. With l_j the logits of the
// softmax rows, u_j their inverse chances and s the target's logit, it is log(sum_j u_j e^l_j + own*e^s) - s. own takes
// the target's sampled term out and puts its true one in: 1 - u where the target was drawn, else 1. Neither loss
// depends on the other target in any bit.
func (n network) crossEntropy(h *Node, in []*Node) (real, easy *Node) {
	logits := DotGeneral(h, []int{1}, nil, in[inNegatives], []int{1}, nil)
	top := StopGradient(ReduceAndKeep(logits, ReduceMax, -1))
	sum := matmul(Exp(Sub(logits, top)), in[inInverse])
	nats := func(target, own *Node) *Node {
		// Past e^80 the target has all the probability that float32 can tell: the loss and its gradient are 0.
		s := MinScalar(Sub(rowSum(Mul(h, target)), top), 80)
		e := Exp(s)
		return Sub(Log(Max(Add(sum, Mul(e, own)), e)), s) // the sum holds e; Max mends its rounding
	}
	return nats(in[inReal], in[inRealOwn]), nats(in[inEasy], in[inEasyOwn])
}

// normalise divides rows by their root mean square. Written as a product with the N x 1 inverse, its gradient has the
// fewest passes over N x Dim.
func normalise(x *Node) *Node {
	mean := MulScalar(rowSum(Square(x)), 1/float64(x.Shape().Dimensions[1]))
	return Mul(x, Reciprocal(Sqrt(AddScalar(mean, normEps))))
}

// softmax over the last axis. The fused one of gomlx computes everything a second time for its gradient.
func softmax(x *Node) *Node {
	e := Exp(Sub(x, StopGradient(ReduceAndKeep(x, ReduceMax, -1))))
	return Mul(e, Reciprocal(ReduceAndKeep(e, ReduceSum, -1)))
}

// rowSum adds up rows as a product with ones: five times as fast as a reduction on the Go backend.
func rowSum(x *Node) *Node {
	return matmul(x, Ones(x.Graph(), shapes.Make(dtypes.Float32, x.Shape().Dimensions[1], 1)))
}

// inner is the sum of the products of two N x 1 columns.
func inner(a, b *Node) *Node {
	return Reshape(DotGeneral(a, []int{0, 1}, nil, b, []int{0, 1}, nil))
}

func matmul(a, b *Node) *Node { return DotGeneral(a, []int{1}, nil, b, []int{0}, nil) }

// arity checks that a step got the inputs it was built for.
func (n network) arity(got int) error {
	if want := inDropout + n.dropouts() + n.cfg.Layers*7 + 1 + n.gates(); got != want {
		return fmt.Errorf("training step with %d inputs: want %d", got, want)
	}
	return nil
}
