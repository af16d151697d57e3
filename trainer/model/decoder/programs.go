package decoder

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	//lint:ignore ST1001 graph code reads as formulas only without the package name, and gomlx itself is written so
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
)

// programs are the graphs for one shape of adapter.
type programs struct {
	prefill  *lm.Program // ids, mask -> log-probabilities of the first token, cache
	step     *lm.Program // ids, parents, slot, mask, prompt cache, written cache -> log-probabilities, written cache
	next     *lm.Program // ids, mask, prompt cache -> log-probabilities after every token
	follow   *lm.Program // ids, targets, mask, prompt cache -> log-probability of each target
	embed    *lm.Program // ids, mask -> last state
	perCache int         // tensors of a cache
}

func newPrograms(base *lm.Base, lc *lora.Config, mods []lora.Module) (*programs, error) {
	p := &programs{perCache: 2 * base.Config().Layers}
	for _, d := range []struct {
		to   **lm.Program
		name string
		fn   func(m *lm.Model, in []*Node) []*Node
	}{
		{&p.prefill, "prefill", prefill}, {&p.step, "decode step", p.decodeStep}, {&p.next, "read titles", readTitles},
		{&p.follow, "score titles", scoreTitles}, {&p.embed, "embed", embed},
	} {
		var err error
		if *d.to, err = base.Program(d.name, lc, mods, d.fn); err != nil {
			return nil, fmt.Errorf("build generation: %w", err)
		}
	}
	return p, nil
}

func prefill(m *lm.Model, in []*Node) []*Node {
	hidden, cache := m.Prefill(in[0], in[1])
	return append([]*Node{LogSoftmax(m.Logits(m.LastState(hidden, in[1])), -1)}, cache...)
}

// decodeStep first moves each text's own cache to where its beam went. Without beams nothing moves.
func (p *programs) decodeStep(m *lm.Model, in []*Node) []*Node {
	ids, parents, slot, mask := in[0], in[1], in[2], in[3]
	prompt, written := lm.Cache(in[4:4+p.perCache]), append(lm.Cache(nil), in[4+p.perCache:]...)
	rows := ids.Shape().Dimensions[0]
	if rows > mask.Shape().Dimensions[0] {
		for i, c := range written {
			written[i] = Gather(c, ExpandAxes(parents, -1))
		}
	}
	hidden, next := m.Step(ids, slot, mask, prompt, written)
	logits := m.Logits(Reshape(hidden, rows, hidden.Shape().Dimensions[2]))
	return append([]*Node{LogSoftmax(logits, -1)}, next...)
}

func readTitles(m *lm.Model, in []*Node) []*Node {
	return []*Node{LogSoftmax(m.Logits(m.Continue(in[0], in[1], lm.Cache(in[2:]))), -1)}
}

func scoreTitles(m *lm.Model, in []*Node) []*Node {
	logits := m.Logits(m.Continue(in[0], in[2], lm.Cache(in[3:])))
	top := ReduceAndKeep(logits, ReduceMax, -1)
	all := Add(Log(ReduceAndKeep(Exp(Sub(logits, top)), ReduceSum, -1)), top)
	d := logits.Shape().Dimensions
	targets := Reshape(in[1], d[0], d[1], 1)
	vocab := Iota(logits.Graph(), shapes.Make(dtypes.Int32, d...), 2)
	own := ReduceAndKeep(Where(Equal(vocab, targets), logits, ZerosLike(logits)), ReduceSum, -1)
	return []*Node{Reshape(Sub(own, all), d[0], d[1])}
}

func embed(m *lm.Model, in []*Node) []*Node {
	return []*Node{m.LastState(m.Hidden(in[0], in[1]), in[1])}
}
