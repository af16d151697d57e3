package generative

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	//lint:ignore ST1001 graph code reads as formulas only without the package name, and gomlx itself is written so
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/lm"
)

// Positions of the outputs of a step; the gradients of the adapter's tensors follow.
const (
	outNats = iota // N: cross-entropy of each target, summed over its tokens
	outLoss        // what the gradients are of
	outGradients
)

// barred is the logit of a token that MSL leaves out: e^barred is 0 in float32.
const barred = -1e9

// step is the graph of one training step: losses and gradients. rate is the dropout of the adapter's inputs.
func step(rate float64) func(m *lm.Model, in []*Node) []*Node {
	return func(m *lm.Model, in []*Node) []*Node {
		m.Dropout(rate, in[inSeed])
		nats := targetNats(m, in)
		loss := ReduceAllSum(Mul(nats, in[inShare]))
		return append([]*Node{nats, loss}, Gradient(loss, m.Trainable()...)...)
	}
}

// targetNats is the cross-entropy of each target. A prompt is read once for all its targets, and logits are made
// where a token of a target is predicted, nowhere else.
func targetNats(m *lm.Model, in []*Node) *Node {
	d := in[inTarget].Shape().Dimensions
	n, length, rows := d[0], d[1], in[inPrompt].Shape().Dimensions[0]
	hidden, cache := m.Prefill(in[inPrompt], in[inMask])
	first := m.LastState(hidden, in[inMask]) // predicts the first token
	width := first.Shape().Dimensions[1]
	first = Reshape(BroadcastToDims(ExpandAxes(first, 1), rows, n/rows, width), n, 1, width)
	rest := m.Continue(Slice(in[inTarget], AxisRange(), AxisRange(0, length-1)), in[inMask], cache)
	logits := m.Logits(Concatenate([]*Node{first, rest}, 1))
	if len(in) > inAllowed {
		logits = Where(in[inAllowed], logits, Scalar(logits.Graph(), logits.DType(), barred))
	}
	return ReduceSum(Mul(crossEntropy(logits, in[inTarget]), in[inLive]), -1)
}

// crossEntropy is the loss of labels (B x T int32) under logits (B x T x V), nats.
func crossEntropy(logits, labels *Node) *Node {
	top := StopGradient(ReduceAndKeep(logits, ReduceMax, -1))
	sum := ReduceSum(Exp(Sub(logits, top)), -1)
	v := logits.Shape().Dimensions[2]
	ids := Iota(logits.Graph(), shapes.Make(dtypes.Int32, 1, 1, v), 2)
	hit := ConvertDType(Equal(ExpandAxes(labels, -1), ids), logits.DType())
	own := ReduceSum(Mul(logits, hit), -1)
	return Sub(Add(Log(sum), Squeeze(top, -1)), own)
}
