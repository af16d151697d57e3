package lm

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
)

// ropes is testdata/ropes.json.
type ropes struct {
	Folder      string
	IDs, Mask   [][]int32
	Small, Wide []ropeCase
}

type ropeCase struct {
	Name      string
	Rope      map[string]any
	Inverse   []float32 `json:"inv_freq"`
	Attention float64   `json:"attention_factor"`
}

// roped is a copy of a folder whose config.json has other fields.
func roped(t testing.TB, folder string, fields map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	delete(config, "rope_parameters")
	maps.Copy(config, fields)
	if data, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sameTurns compares frequencies and attention factor with transformers'.
func sameTurns(t *testing.T, dir string, want ropeCase) {
	t.Helper()
	f, err := hf.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ropeFrequencies(f.Config)
	if err != nil {
		t.Fatal(err)
	}
	relative := slices.Clone(got)
	ones := make([]float32, len(got))
	for i := range got {
		relative[i], ones[i] = got[i]/want.Inverse[i], 1
	}
	near(t, "frequencies over transformers'", relative, ones, 1e-6)
	factor := float32(1)
	if s := f.Config.RopeScaling; s != nil && s.Type == hf.RopeYaRN {
		factor = float32(s.AttentionFactor)
	}
	near(t, "attention factor", []float32{factor}, []float32{float32(want.Attention)}, 1e-6)
}

// The heads of real folders: frequencies alone.
func TestRope_frequenciesOfRealSizes(t *testing.T) {
	r := readJSON[ropes](t, fixture("ropes.json"))
	for _, c := range r.Wide {
		t.Run(c.Name, func(t *testing.T) {
			sameTurns(t, roped(t, fixture(r.Folder), map[string]any{"hidden_size": 1024, "num_attention_heads": 8, "num_key_value_heads": 8,
				"head_dim": nil, "max_position_embeddings": 32768, "rope_theta": 1e6, "rope_scaling": c.Rope}), c)
		})
	}
}

// A tiny model whose rotary positions are scaled: frequencies and hidden states.
func TestRope_parityWithTransformers(t *testing.T) {
	r, want := readJSON[ropes](t, fixture("ropes.json")), expected(t, fixture("ropes.safetensors"))
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		for _, c := range r.Small {
			t.Run(c.Name, func(t *testing.T) {
				dir := roped(t, fixture(r.Folder), map[string]any{"rope_theta": 10000, "rope_scaling": c.Rope})
				sameTurns(t, dir, c)
				got := all(t, load(t, be, dir, Options{}), nil, inputs{r.IDs, r.Mask}, func(m *Model, data []*graph.Node) []*graph.Node {
					return []*graph.Node{float(m.Hidden(data[0], data[1]))}
				})
				near(t, "hidden", real(r.Mask, got[0]), real(r.Mask, expectedTensor(t, want, c.Name)), 2e-5)
			})
		}
	})
}
