package encoder

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/tokens"
)

var background = context.Background()

// world is a loaded sentence encoder.
type world struct {
	base *lm.Base
	tok  *tokens.Tokenizer
	enc  *Encoder
}

func load(t testing.TB, be compute.Backend, dir string, o lm.Options, cfg Config) world {
	t.Helper()
	f, err := hf.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	base, err := lm.Load(be, f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(base.Close)
	tok, err := tokens.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := New(base, tok, f.Pooling, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return world{base, tok, enc}
}

// miniLM is the folder of the real weights, or the test is skipped.
func miniLM(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("SOFTREC_MINILM")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "testdata", "weights", "minilm")
	}
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil {
		t.Skip("no MiniLM weights: run make weights or set SOFTREC_MINILM")
	}
	return dir
}

func fixture(parts ...string) string {
	return filepath.Join(append([]string{"..", "lm", "testdata"}, parts...)...)
}

// adapter is the random one that PEFT saved for the tiny BERT.
func adapter(t testing.TB, base *lm.Base) *lora.Adapter {
	t.Helper()
	mods, err := base.Modules(nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := lora.ImportPEFT(fixture("bert", "adapter"), mods)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func readTensors(t testing.TB, path string) func(name string) []float32 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := hf.ReadSafetensors(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return func(name string) []float32 {
		x, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		return x.Data
	}
}

func readJSON(t testing.TB, path string, to any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

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

func flatten(rows [][]float32) []float32 {
	var out []float32
	for _, r := range rows {
		out = append(out, r...)
	}
	return out
}
