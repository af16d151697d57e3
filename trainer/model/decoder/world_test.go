package decoder

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// models are the fixtures of the families; ../lm/testdata/README.md describes them.
func models() []string {
	return []string{"llama3-sharded", "llama-linear-bf16", "llama-bias-f16", "qwen2", "qwen2-untied-bf16"}
}

// beamOf is a text as transformers gives it.
type beamOf struct {
	Tokens []int32
	Score  float64
}

type beamCase struct {
	LengthPenalty float64    `json:"length_penalty"`
	EarlyStopping bool       `json:"early_stopping"`
	Prompts       [][]beamOf `json:"prompts"`
}

// fixture is expected.json.
type fixture struct {
	IDs, Mask [][]int32
	EOS       []int32
	Greedy    [][]int32
	Beams     []beamCase
	Held      []beamCase `json:"held_beams"`
	HeldNew   int        `json:"held_max_new_tokens"`
	MaxNew    int        `json:"max_new_tokens"`
	Titles    [][]int32  `json:"title_ids"`
	LogProbs  struct {
		Free, Held [][]float64
	} `json:"title_logprobs"`
}

func readFixture(t testing.TB, name string) fixture {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder(name), "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f fixture
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// prompts are the inputs without padding.
func (f fixture) prompts() [][]int32 {
	out := make([][]int32, len(f.IDs))
	for i, row := range f.IDs {
		for j, id := range row {
			if f.Mask[i][j] != 0 {
				out[i] = append(out[i], id)
			}
		}
	}
	return out
}

func folder(name string) string { return filepath.Join("..", "lm", "testdata", name) }

// plain stands for a tokenizer of models whose config names the special tokens.
type plain struct{}

func (plain) Encode(text string) []int32 {
	out := make([]int32, len(text))
	for i, c := range []byte(text) {
		out[i] = int32(c)
	}
	return out
}

func (plain) Special() tokens.Special {
	return tokens.Special{BOS: 1, EOS: 2, PAD: -1, CLS: -1, SEP: -1, UNK: -1, AddBOS: true}
}

func openModel(t testing.TB, be compute.Backend, dir string, o lm.Options, cfg Config) *Generator {
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
	g, err := New(base, plain{}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func adapterOf(t testing.TB, g *Generator, name string) *lora.Adapter {
	t.Helper()
	mods, err := g.base.Modules(nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := lora.ImportPEFT(filepath.Join(folder(name), "adapter"), mods)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
