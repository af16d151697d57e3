package seqtrain

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	//lint:ignore ST1001 graph code reads as formulas only without the package name, and gomlx itself is written so
	. "github.com/gomlx/gomlx/core/graph"
)

// network is what the learner's steps are of.
func (l *Learner) network() network {
	n := network{cfg: l.weights.Config(), vary: l.vary}
	if l.vary.Binary {
		n.power = l.vary.power(l.sampler.share())
	}
	return n
}

// gates is the number of tensors that the gates of all blocks have.
func (n network) gates() int {
	if !n.vary.Gated {
		return 0
	}
	return n.cfg.Layers * tensorsPerGate
}

// gated is one block of eSASRec: what a branch brings goes through a gate that reads the stream, and the feed-forward layer is
// SwiGLU. t are the block's tensors of sequence.Weights, g those of its gates.
func (n network) gated(x, mask *Node, drop func(int, *Node) *Node, l int, t, g []*Node) *Node {
	const q, k, v, o, ff1, ff1b, ff2 = 0, 1, 2, 3, 4, 5, 6
	gate := func(x *Node, w, bias int) *Node { return Sigmoid(Add(matmul(x, g[w]), Reshape(g[bias], 1, n.cfg.Dim))) }
	h := normalise(x)
	a := n.attention(matmul(h, MulScalar(t[q], 1/math.Sqrt(float64(n.cfg.Dim/n.cfg.Heads)))), matmul(h, t[k]), matmul(h, t[v]), mask)
	x = Add(x, Mul(gate(x, gateAttention, gateAttentionBias), drop(2*l, matmul(a, t[o]))))
	h = normalise(x)
	f := Add(matmul(h, t[ff1]), Reshape(t[ff1b], 1, n.cfg.FF))
	f = Mul(Mul(f, Sigmoid(f)), matmul(h, g[gateUp]))
	return Add(x, Mul(gate(x, gateFF, gateFFBias), drop(2*l+1, matmul(f, t[ff2]))))
}

// binary is the loss of every slot for its real and its easy target, N x 1 each: minus the log of the target's probability to its power, and
// for every row of the sample minus the log of the probability of not being the target. own takes the target out of the sample.
func (n network) binary(h *Node, in []*Node) (real, easy *Node) {
	others := matmul(softplus(DotGeneral(h, []int{1}, nil, in[inNegatives], []int{1}, nil)), in[inInverse])
	nats := func(target, own *Node) *Node {
		s := rowSum(Mul(h, target))
		return Add(MulScalar(softplus(Neg(s)), n.power), Add(others, Mul(softplus(s), own)))
	}
	return nats(in[inReal], in[inRealOwn]), nats(in[inEasy], in[inEasyOwn])
}

// softplus is log(1 + e^x) without overflow.
func softplus(x *Node) *Node {
	return Add(Max(x, ScalarZero(x.Graph(), dtypes.Float32)), Log1P(Exp(Neg(Abs(x)))))
}
