package retrieval

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
)

// Inputs of a training step after the adapter, by number. B prompts of T tokens, V padded items, K targets, N negatives.
const (
	inIDs        = iota // B x T
	inMask              // B x T
	inSeed              // of dropout, scalar
	inTable             // V x H
	inTargets           // B x K rows of the table
	inShares            // B x K weights of the targets in the loss
	inBias              // whole catalogue: 1 x V; sample: B x N, added to the scores
	inCandidates        // whole catalogue: B*L x 2 places (prompt, item) of the history; sample: N rows of the table
	inHistory           // whole catalogue: B*L, added to the score at that place; sample: not used, 1
	inHead              // factors of the item residual, if there is one
)

// Outputs of a training step: cross-entropies B x K, then the gradients.
const (
	outLosses = iota
	outGradients
)

// network is what a compiled step depends on, besides shapes.
type network struct {
	engine  *Engine
	cfg     lora.Config
	head    bool
	sampled bool
}

// step builds the graph of one training step.
func (n network) step(m *lm.Model, in []*graph.Node) []*graph.Node {
	m.Dropout(n.cfg.Dropout, in[inSeed])
	q := n.engine.enc.Pool(m.Hidden(in[inIDs], in[inMask]), in[inMask])
	params := append([]*graph.Node(nil), m.Trainable()...)
	if n.head {
		head := in[inHead:]
		params = append(params, head...)
		q = graph.Add(q, n.residual(q, head))
	}
	q = graph.MulScalar(q, 1/n.engine.cfg.Temperature)
	own := graph.DotGeneral(q, []int{1}, []int{0}, pick(in[inTable], in[inTargets]), []int{2}, []int{0}) // B x K
	losses := graph.Sub(n.partition(q, own, in), own)
	loss := graph.ReduceAllSum(graph.Mul(losses, in[inShares]))
	return append([]*graph.Node{losses}, graph.Gradient(loss, params...)...)
}

// residual is what Project adds to the queries.
func (n network) residual(q *graph.Node, head []*graph.Node) *graph.Node {
	if n.cfg.Full {
		return graph.DotGeneral(q, []int{1}, nil, head[0], []int{0}, nil)
	}
	low := graph.DotGeneral(q, []int{1}, nil, head[1], []int{0}, nil)
	return graph.MulScalar(graph.DotGeneral(low, []int{1}, nil, head[0], []int{0}, nil), n.cfg.Scaling())
}

// partition is the logarithm of the softmax's denominator, B x 1, or B x K for a sample, where each target competes
// with the sample alone.
func (n network) partition(q, own *graph.Node, in []*graph.Node) *graph.Node {
	if n.sampled {
		rest := logSumExp(graph.Add(scores(q, pick(in[inTable], in[inCandidates])), in[inBias]))
		return logAddExp(own, rest)
	}
	b, v := q.Shape().Dimensions[0], in[inTable].Shape().Dimensions[0]
	mask := graph.ScatterSum(graph.Zeros(q.Graph(), shapes.Make(dtypes.Float32, b, v)), in[inCandidates], in[inHistory], false, false)
	return logSumExp(graph.Add(graph.Add(scores(q, in[inTable]), in[inBias]), graph.StopGradient(mask)))
}

// scores are the products of all queries with all rows.
func scores(q, rows *graph.Node) *graph.Node {
	return graph.DotGeneral(q, []int{1}, nil, rows, []int{1}, nil)
}

// pick takes rows of a table: one vector for each index.
func pick(table, rows *graph.Node) *graph.Node {
	return graph.StopGradient(graph.Gather(table, graph.ExpandAxes(rows, -1)))
}

// logSumExp over the last axis, which stays as 1.
func logSumExp(x *graph.Node) *graph.Node {
	top := graph.StopGradient(graph.ReduceAndKeep(x, graph.ReduceMax, -1))
	return graph.Add(graph.Log(graph.ReduceAndKeep(graph.Exp(graph.Sub(x, top)), graph.ReduceSum, -1)), top)
}

// logAddExp is log(e^a + e^b), b being broadcast over the last axis of a.
func logAddExp(a, b *graph.Node) *graph.Node {
	b = graph.BroadcastToDims(b, a.Shape().Dimensions...)
	top := graph.StopGradient(graph.Max(a, b))
	return graph.Add(graph.Log(graph.Add(graph.Exp(graph.Sub(a, top)), graph.Exp(graph.Sub(b, top)))), top)
}

// rank builds the scores of queries, B x H, against the whole table.
func rank(temperature float64) func(*lm.Model, []*graph.Node) []*graph.Node {
	return func(_ *lm.Model, in []*graph.Node) []*graph.Node {
		return []*graph.Node{graph.Add(scores(graph.MulScalar(in[0], 1/temperature), in[1]), in[2])}
	}
}
