package lm

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lora"
)

var background = context.Background()

// load opens a folder of testdata.
func load(t testing.TB, be compute.Backend, dir string, o Options) *Base {
	t.Helper()
	f, err := hf.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Load(be, f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// expected reads tensors that transformers computed.
func expected(t testing.TB, path string) *hf.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := hf.ReadSafetensors(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func expectedTensor(t testing.TB, f *hf.File, name string) []float32 {
	t.Helper()
	x, err := f.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	return x.Data
}

// inputs are the ids and mask of a fixture.
type inputs struct{ IDs, Mask [][]int32 }

// readJSON reads a fixture's file.
func readJSON[T any](t testing.TB, path string) T {
	t.Helper()
	var in T
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &in); err != nil {
		t.Fatal(err)
	}
	return in
}

func (in inputs) tensors() []*tensors.Tensor {
	return []*tensors.Tensor{tensors.FromValue(in.IDs), tensors.FromValue(in.Mask)}
}

// hidden runs the model over a fixture; padding is zeroed as in the expectation.
func hidden(t testing.TB, b *Base, a *lora.Adapter, in inputs) []float32 {
	t.Helper()
	var lc *lora.Config
	var mods []lora.Module
	if a != nil {
		lc, mods = &a.Config, a.Modules
	}
	p, err := b.Program("hidden", lc, mods, func(m *Model, data []*graph.Node) []*graph.Node {
		h := m.Hidden(data[0], data[1])
		return []*graph.Node{graph.Mul(float(h), graph.ExpandAxes(float(data[1]), -1))}
	})
	if err != nil {
		t.Fatal(err)
	}
	return output(t, p, a, in.tensors())
}

// output is the first output of a run.
func output(t testing.TB, p *Program, a *lora.Adapter, data []*tensors.Tensor) []float32 {
	t.Helper()
	defer free(data)
	var out []float32
	err := p.Run(background, a, data, func(i int, v []float32) {
		if i == 0 {
			out = append(out, v...)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// near fails where two slices differ by more than tolerance, and logs how much they differ.
func near(t testing.TB, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	var worst float64
	for i := range got {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if math.IsNaN(d) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], want[i])
		}
		worst = max(worst, d)
	}
	t.Logf("%s: worst difference %.2g", what, worst)
	if worst > tolerance {
		t.Errorf("%s: worst difference %g, want at most %g", what, worst, tolerance)
	}
}

func fixture(parts ...string) string { return filepath.Join(append([]string{"testdata"}, parts...)...) }
