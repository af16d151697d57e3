package lm

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
)

// peftCase is a case file of testdata/check_peft.py.
type peftCase struct {
	Kind      string        `json:"kind"`
	IDs       [][]int32     `json:"ids"`
	Mask      [][]int32     `json:"mask"`
	Output    [][][]float32 `json:"output"`
	Tolerance float64       `json:"tolerance"`
}

// shaken is a new adapter on all linear layers whose B is not zero, so that it changes what the model says.
func shaken(t *testing.T, b *Base) *lora.Adapter {
	t.Helper()
	mods, err := b.Modules(nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := lora.New(lora.Config{Rank: 4, Alpha: 8}, mods, 7)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for _, own := range a.B {
		for i := range own {
			own[i] = float32(0.05 * rng.NormFloat64())
		}
	}
	return a
}

// cube cuts rows x columns x width values.
func cube(v []float32, rows, columns int) [][][]float32 {
	width := len(v) / (rows * columns)
	out := make([][][]float32, rows)
	for r := range out {
		for c := range columns {
			out[r] = append(out[r], v[(r*columns+c)*width:][:width])
		}
	}
	return out
}

// TestExportPEFT_loadsInPEFT: an adapter that was exported, loaded by the PEFT library onto the model by transformers, says what
// it says here.
func TestExportPEFT_loadsInPEFT(t *testing.T) {
	for _, name := range []string{"bert", "llama3-sharded", "qwen2"} {
		t.Run(name, func(t *testing.T) {
			b := load(t, lmtest.Open(t, lmtest.Go), fixture(name), Options{})
			a := shaken(t, b)
			in := readJSON[inputs](t, fixture(name, "expected.json"))
			c := peftCase{Kind: "hidden", IDs: in.IDs, Mask: in.Mask, Tolerance: 1e-4}
			if name == "bert" {
				c.Output = cube(hidden(t, b, a, in), len(in.IDs), len(in.IDs[0]))
			} else {
				c.Kind = "logits"
				c.Output = cube(all(t, b, a, in, states)[1], len(in.IDs), len(in.IDs[0]))
			}
			dir := t.TempDir()
			if err := lora.ExportPEFT(dir, a, fixture(name)); err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "case.json")
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			lmtest.Python(t, fixture("check_peft.py"), "--base", fixture(name), "--adapter", dir, "--case", file)
		})
	}
}
