package encoder

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
)

// contrast is the loss of the fixtures: cross-entropy over cosines with a fixed table. Data: ids, mask, table, targets, seed.
func contrast(e *Encoder, temperature, dropout float64) func(m *lm.Model, data []*graph.Node) []*graph.Node {
	return func(m *lm.Model, data []*graph.Node) []*graph.Node {
		m.Dropout(dropout, data[4])
		q := e.Pool(m.Hidden(data[0], data[1]), data[1])
		logits := graph.MulScalar(graph.DotGeneral(q, []int{1}, nil, data[2], []int{1}, nil), 1/temperature)
		logits = graph.Sub(logits, graph.StopGradient(graph.ReduceAndKeep(logits, graph.ReduceMax, -1)))
		norm := graph.Log(graph.ReduceSum(graph.Exp(logits), -1))
		hit := graph.OneHot(data[3], logits.Shape().Dimensions[1], dtypes.Float32)
		loss := graph.ReduceAllMean(graph.Sub(norm, graph.ReduceSum(graph.Mul(logits, hit), -1)))
		return append([]*graph.Node{loss}, graph.Gradient(loss, m.Trainable()...)...)
	}
}

// step runs a program and returns the loss and the gradients.
func step(t testing.TB, p *lm.Program, a *lora.Adapter, data []*tensors.Tensor) (float64, [][]float32) {
	t.Helper()
	var loss float64
	var grads [][]float32
	err := p.Run(background, a, data, func(out int, v []float32) {
		if out == 0 {
			loss = float64(v[0])
			return
		}
		grads = append(grads, append([]float32(nil), v...))
	})
	if err != nil {
		t.Fatal(err)
	}
	return loss, grads
}

func TestTraining_equalsTorch(t *testing.T) {
	for _, name := range lmtest.Names() {
		for _, checkpoint := range []bool{false, true} {
			t.Run(name+map[bool]string{true: "/checkpoint"}[checkpoint], func(t *testing.T) {
				trainLikeTorch(t, load(t, lmtest.Open(t, name), fixture("bert"), lm.Options{Checkpoint: checkpoint}, Config{}))
			})
		}
	}
}

func trainLikeTorch(t *testing.T, w world) {
	var in struct {
		IDs, Mask   [][]int32
		Targets     []int32
		Temperature float64
		Losses      []float64
		Modules     []string
		Steps       int
	}
	readJSON(t, fixture("bert", "train.json"), &in)
	want := readTensors(t, fixture("bert", "train.safetensors"))
	a := adapter(t, w.base)
	p, err := w.base.Program("train", &a.Config, a.Modules, contrast(w.enc, in.Temperature, 0))
	if err != nil {
		t.Fatal(err)
	}
	data := []*tensors.Tensor{
		tensors.FromValue(in.IDs), tensors.FromValue(in.Mask), tensors.FromFlatDataAndDimensions(want("table"), 12, 32),
		tensors.FromValue(in.Targets), tensors.FromScalar(int32(0)),
	}
	adam, err := lora.NewAdamW(lora.AdamWConfig{LearningRate: 0.01, WeightDecay: 0.01, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}, a.Flat())
	if err != nil {
		t.Fatal(err)
	}
	for i := range in.Steps + 1 {
		loss, grads := step(t, p, a, data)
		if d := math.Abs(loss - in.Losses[i]); d > 2e-4 {
			t.Errorf("loss %d is %v, want %v", i, loss, in.Losses[i])
		}
		for k := range grads {
			if i == 0 {
				near(t, "gradient", grads[k], want("grad."+name(a, k)), 2e-5)
			}
		}
		if i == in.Steps {
			break
		}
		if err := adam.Step(a.Flat(), grads); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range a.Flat() {
		near(t, "after training", v, want("after3."+name(a, k)), 1e-3)
	}
}

// name is that of the k-th tensor of Flat in the fixture.
func name(a *lora.Adapter, k int) string {
	return a.Modules[k/2].Name + []string{".lora_A", ".lora_B"}[k%2]
}

func TestPool_modes(t *testing.T) {
	for mode, want := range map[string][]float32{"mean": {2, 3}, "cls": {1, 2}, "last": {3, 4}, "max": {3, 4}} {
		hidden := [][][]float32{{{1, 2}, {3, 4}, {9, 9}}}
		out, err := graph.CallOnce(lmtest.Open(t, lmtest.Go), func(h, m *graph.Node) *graph.Node { return pool(mode, h, m) }, hidden, [][]float32{{1, 1, 0}})
		if err != nil {
			t.Fatal(err)
		}
		near(t, mode, out.Value().([][]float32)[0], want, 1e-6)
	}
}
