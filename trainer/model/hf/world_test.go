package hf

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// bert is a config that passes, for tests to spoil.
func bert() Config {
	return Config{Family: FamilyBERT, Vocab: 50, Hidden: 8, Layers: 2, Heads: 2, KVHeads: 2, HeadDim: 4, Intermediate: 16, MaxPositions: 32,
		TypeVocab: 2, NormEps: 1e-12, Activation: "gelu", AttentionBias: true, OutputBias: true, MLPBias: true, PAD: 0, BOS: -1, DType: "float32"}
}

func llama() Config {
	return Config{Family: FamilyLlama, Vocab: 50, Hidden: 8, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 6, Intermediate: 16, MaxPositions: 64,
		NormEps: 1e-5, RopeTheta: 5e5, RopeScaling: &RopeScaling{Type: "llama3", Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalMax: 32}, Tied: true, Activation: "silu", BOS: 1, PAD: -1,
		EOS: []int32{2, 5}, DType: "float32"}
}

func qwen2() Config {
	return Config{Family: FamilyQwen2, Vocab: 50, Hidden: 8, Layers: 2, Heads: 2, KVHeads: 1, HeadDim: 4, Intermediate: 16, MaxPositions: 64,
		NormEps: 1e-6, RopeTheta: 1e6, RopeScaling: &RopeScaling{Type: "linear", Factor: 2}, Activation: "silu", AttentionBias: true,
		BOS: -1, PAD: -1, EOS: []int32{3}, DType: "float32"}
}

func someTensors() map[string]Tensor {
	return map[string]Tensor{
		"b.weight": {Shape: []int{2, 3}, Data: []float32{1, -2, 3.5, float32(math.Inf(1)), 0, 1e-40}},
		"a.bias":   {Shape: []int{4}, Data: []float32{1, 2, 3, 4}},
		"scalar":   {Shape: []int{}, Data: []float32{7}},
		"empty":    {Shape: []int{0, 5}, Data: []float32{}},
	}
}

// packed is a safetensors file of a header and data.
func packed(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func readPacked(b []byte) (*File, error) { return ReadSafetensors(bytes.NewReader(b), int64(len(b))) }

// folder writes files; values other than strings and bytes as JSON.
func folder(t *testing.T, files map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	for name, v := range files {
		var text []byte
		switch v := v.(type) {
		case []byte:
			text = v
		case string:
			text = []byte(v)
		default:
			var err error
			if text, err = json.Marshal(v); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
