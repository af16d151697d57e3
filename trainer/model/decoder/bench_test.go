package decoder

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/titles"
)

// sized is a random Llama with tied embeddings.
func sized(b *testing.B, layers, hidden, heads, inner, vocab int) string {
	b.Helper()
	cfg := hf.Config{
		Family: hf.FamilyLlama, Vocab: vocab, Hidden: hidden, Layers: layers, Heads: heads, KVHeads: heads, HeadDim: hidden / heads, Intermediate: inner,
		MaxPositions: 512, NormEps: 1e-6, RopeTheta: 10000, Tied: true, Activation: "silu", BOS: 1, PAD: -1, EOS: []int32{2},
	}
	r, weights := rand.New(rand.NewPCG(1, 2)), map[string]hf.Tensor{}
	add := func(name string, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := hf.Tensor{Shape: shape, Data: make([]float32, n)}
		for i := range x.Data {
			if x.Data[i] = 1; len(shape) == 2 {
				x.Data[i] = float32(r.NormFloat64() * 0.05)
			}
		}
		weights[name] = x
	}
	add("model.embed_tokens.weight", vocab, hidden)
	add("model.norm.weight", hidden)
	for l := range layers {
		p := fmt.Sprintf("model.layers.%d.", l)
		for _, name := range []string{"q", "k", "v", "o"} {
			add(p+"self_attn."+name+"_proj.weight", hidden, hidden)
		}
		add(p+"mlp.gate_proj.weight", inner, hidden)
		add(p+"mlp.up_proj.weight", inner, hidden)
		add(p+"mlp.down_proj.weight", hidden, inner)
		add(p+"input_layernorm.weight", hidden)
		add(p+"post_attention_layernorm.weight", hidden)
	}
	dir := b.TempDir()
	if err := hf.Write(dir, cfg, weights); err != nil {
		b.Fatal(err)
	}
	return dir
}

// BenchmarkGenerate writes 16 tokens after prompts of 96; tok/s counts the tokens of returned texts, or of titles for held beams.
func BenchmarkGenerate(b *testing.B) {
	for model, make := range map[string]func() string{
		"tiny":  func() string { return sized(b, 2, 32, 4, 64, 512) },
		"small": func() string { return sized(b, 4, 256, 4, 688, 8192) },
	} {
		dir := make()
		for _, name := range lmtest.Names() {
			g := openModel(b, lmtest.Open(b, name), dir, lm.Options{}, DefaultConfig())
			for _, c := range []struct {
				name           string
				prompts, beams int
				held           bool
			}{{"greedy 1", 1, 1, false}, {"greedy 16", 16, 1, false}, {"beams 4 of 1", 1, 4, false}, {"beams 4 of 16", 16, 4, false}, {"held beams 4 of 16", 16, 4, true}} {
				b.Run(model+"/"+name+"/"+c.name, func(b *testing.B) { benchmark(b, g, c.prompts, c.beams, c.held) })
			}
		}
	}
}

func benchmark(b *testing.B, g *Generator, n, beams int, held bool) {
	const length, maxNew = 96, 16
	r := rand.New(rand.NewPCG(3, 4))
	random := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = 3 + int32(r.IntN(g.base.Config().Vocab-3))
		}
		return out
	}
	prompts := make([][]int32, n)
	for i := range prompts {
		prompts[i] = random(length)
	}
	o := Options{Beams: beams, MaxNew: maxNew, LengthPenalty: 1}
	if held {
		o.Trie = titles.NewTrie()
		for i := range 2000 {
			if err := o.Trie.Insert(fmt.Sprint(i), random(maxNew-1)); err != nil {
				b.Fatal(err)
			}
		}
	}
	generate(b, g, prompts, o)
	tokens := 0
	for b.Loop() {
		for _, list := range generate(b, g, prompts, o) {
			tokens += len(whole(list[0]))
		}
	}
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tok/s")
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N)/maxNew, "ms/step")
}
