package lm

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
)

// decoders are the fixtures of the families; testdata/README.md says what is peculiar to each.
func decoders() []string {
	return []string{"llama3-sharded", "llama-linear-bf16", "llama-bias-f16", "qwen2", "qwen2-untied-bf16"}
}

// eachDecoder runs a test with every fixture on every backend.
func eachDecoder(t *testing.T, o Options, test func(t *testing.T, name string, b *Base)) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		for _, name := range decoders() {
			t.Run(name, func(t *testing.T) { test(t, name, load(t, be, fixture(name), o)) })
		}
	})
}

// decoderInputs is a batch padded on either side, or one of training.
type decoderInputs struct {
	inputs
	LeftIDs  [][]int32 `json:"left_ids"`
	LeftMask [][]int32 `json:"left_mask"`
	Labels   [][]int32
	Losses   []float64
}

// all runs a graph and returns its outputs.
func all(t testing.TB, b *Base, a *lora.Adapter, in inputs, fn func(m *Model, data []*graph.Node) []*graph.Node) [][]float32 {
	t.Helper()
	var lc *lora.Config
	var mods []lora.Module
	if a != nil {
		lc, mods = &a.Config, a.Modules
	}
	p, err := b.Program("test", lc, mods, fn)
	if err != nil {
		t.Fatal(err)
	}
	data := in.tensors()
	defer free(data)
	var out [][]float32
	if err := p.Run(background, a, data, func(_ int, v []float32) { out = append(out, append([]float32(nil), v...)) }); err != nil {
		t.Fatal(err)
	}
	return out
}

// states are hidden states, logits and the logits of the last token.
func states(m *Model, data []*graph.Node) []*graph.Node {
	h := m.Hidden(data[0], data[1])
	return []*graph.Node{float(h), m.Logits(h), m.Logits(m.LastState(h, data[1]))}
}

// real drops the rows of padding.
func real(mask [][]int32, v []float32) []float32 {
	var out []float32
	width := len(v) / (len(mask) * len(mask[0]))
	for r, row := range mask {
		for c, on := range row {
			if on != 0 {
				out = append(out, v[(r*len(row)+c)*width:][:width]...)
			}
		}
	}
	return out
}

func TestDecoder_parityWithTransformers(t *testing.T) {
	eachDecoder(t, Options{}, func(t *testing.T, name string, b *Base) {
		in, want := readJSON[decoderInputs](t, fixture(name, "expected.json")), expected(t, fixture(name, "expected.safetensors"))
		right := all(t, b, nil, in.inputs, states)
		left := all(t, b, nil, inputs{in.LeftIDs, in.LeftMask}, states)
		for i, what := range []string{"hidden", "logits"} {
			w := real(in.Mask, expectedTensor(t, want, what))
			near(t, what, real(in.Mask, right[i]), w, 2e-5)
			near(t, what+", padded on the left", real(in.LeftMask, left[i]), w, 2e-5)
		}
		near(t, "logits of the last token", left[2], right[2], 2e-5)
	})
}

func adapterOf(t testing.TB, b *Base, name string) *lora.Adapter {
	t.Helper()
	mods, err := b.Modules(nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := lora.ImportPEFT(fixture(name, "adapter"), mods)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestDecoder_parityWithPEFT(t *testing.T) {
	eachDecoder(t, Options{}, func(t *testing.T, name string, b *Base) {
		in, want := readJSON[decoderInputs](t, fixture(name, "expected.json")), expected(t, fixture(name, "adapted.safetensors"))
		got := all(t, b, adapterOf(t, b, name), in.inputs, states)
		near(t, "hidden", real(in.Mask, got[0]), real(in.Mask, expectedTensor(t, want, "hidden")), 5e-5)
		near(t, "last logits", got[2], expectedTensor(t, want, "last_logits"), 5e-5)
	})
}

// TestDecoder_gradients compares the loss and its gradients with PyTorch's, with and without checkpointing.
func TestDecoder_gradients(t *testing.T) {
	for _, checkpoint := range []bool{false, true} {
		t.Run(fmt.Sprintf("checkpoint=%v", checkpoint), func(t *testing.T) {
			eachDecoder(t, Options{Checkpoint: checkpoint}, func(t *testing.T, name string, b *Base) {
				in, want := readJSON[decoderInputs](t, fixture(name, "train.json")), expected(t, fixture(name, "train.safetensors"))
				a := adapterOf(t, b, name)
				got := all(t, b, a, in.inputs, func(m *Model, data []*graph.Node) []*graph.Node {
					loss := nextTokenLoss(graph.LogSoftmax(m.Logits(m.Hidden(data[0], data[1])), -1), in.Labels)
					return append([]*graph.Node{loss}, graph.Gradient(loss, m.Trainable()...)...)
				})
				if d := math.Abs(float64(got[0][0]) - in.Losses[0]); !(d < 1e-5) {
					t.Errorf("loss %v: want %v", got[0][0], in.Losses[0])
				}
				for i, mod := range a.Modules {
					for k, half := range []string{".lora_A", ".lora_B"} {
						near(t, mod.Name+half, got[1+2*i+k], expectedTensor(t, want, "grad."+mod.Name+half), 2e-5)
					}
				}
			})
		})
	}
}

// nextTokenLoss is the mean cross-entropy over the labels that are not -100; position t is predicted at t-1.
func nextTokenLoss(logp *graph.Node, labels [][]int32) *graph.Node {
	d := logp.Shape().Dimensions
	weights, n := make([]float32, d[0]*d[1]*d[2]), float32(0)
	for r, row := range labels {
		for t, label := range row {
			if label >= 0 {
				weights[(r*d[1]+t-1)*d[2]+int(label)] = -1
				n++
			}
		}
	}
	for i := range weights {
		weights[i] /= n
	}
	return graph.ReduceAllSum(graph.Mul(logp, graph.Reshape(graph.Const(logp.Graph(), weights), d...)))
}
