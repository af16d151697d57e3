package lm

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/hf"
)

// Model is what a program's function builds its graph with. It is valid inside that function only.
type Model struct {
	base      *Base
	weights   []*graph.Node          // by input number
	low       map[string]pair        // low-rank updates by module
	full      map[string]*graph.Node // whole updates by tensor
	scale     float64                // of the low-rank updates
	trainable []*graph.Node
	drop      dropout
}

// pair is the factors of an update: A is r x in, B is out x r.
type pair struct{ a, b *graph.Node }

// Config is the architecture.
func (m *Model) Config() hf.Config { return m.base.cfg }

// Hidden is the last layer's vectors, B x T x Hidden, in float32 or, with Options.BF16, bfloat16. ids (B x T, int32) are
// whole inputs, special tokens included; mask (B x T, any numeric type) is 1 where a token is and 0 where padding is.
// Padding goes to the right for BERT. A decoder is causal and counts positions by the mask, so it may be padded on either side.
func (m *Model) Hidden(ids, mask *graph.Node) *graph.Node {
	if m.base.cfg.Family == hf.FamilyBERT {
		return m.bertHidden(ids, mask)
	}
	return m.decoderHidden(ids, mask)
}

// Logits are a decoder's scores of the next token, ... x Vocab in float32, from hidden states ... x Hidden.
func (m *Model) Logits(hidden *graph.Node) *graph.Node {
	if m.base.cfg.Family == hf.FamilyBERT {
		fail("logits of an encoder: want a decoder")
	}
	return m.decoderLogits(hidden)
}

// Trainable is the adapter's nodes in the order of lora.Adapter.Flat, for graph.Gradient. It is empty over a frozen base.
func (m *Model) Trainable() []*graph.Node { return m.trainable }

// weight is a tensor of the base by name, with its whole update if it has one. Matrices of linear layers are in x out,
// tables rows x columns. Matrices have the type of activations, vectors float32.
func (m *Model) weight(name string) *graph.Node {
	i, ok := m.base.index[name]
	if !ok {
		fail("the model has no tensor %q", name)
	}
	w, s := m.weights[i], m.base.specs[i]
	d, ok := m.full[name]
	if !ok {
		return w
	}
	if s.linear() {
		d = graph.Transpose(d, 0, 1)
	}
	if len(s.shape) == 1 {
		d = graph.Reshape(d, s.shape[0])
	}
	sum := graph.Add(graph.ConvertDType(w, dtypes.Float32), d)
	return graph.ConvertDType(sum, w.DType())
}

// has reports whether the base holds a tensor.
func (m *Model) has(name string) bool {
	_, ok := m.base.index[name]
	return ok
}

// layer opens a layer: with Options.Checkpoint what follows is computed again in the backward pass.
func (m *Model) layer(x *graph.Node) *graph.Node {
	if m.base.opts.Checkpoint && len(m.trainable) > 0 {
		return x.Checkpoint()
	}
	return x
}

// layersEnd closes the last layer.
func (m *Model) layersEnd(x *graph.Node) *graph.Node {
	if m.base.opts.Checkpoint && len(m.trainable) > 0 {
		return x.StopCheckpoint()
	}
	return x
}

// fail reports a fault while a graph is built, where gomlx knows no other way than a panic; Program.Run returns it.
func fail(format string, args ...any) {
	panic(fmt.Errorf(format, args...))
}
