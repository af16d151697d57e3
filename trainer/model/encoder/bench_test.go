package encoder

import (
	"fmt"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
)

// longTexts are n texts that fill a bucket of length tokens.
func longTexts(n, length, vocab int) [][]int32 {
	texts := make([][]int32, n)
	for i := range texts {
		texts[i] = make([]int32, length-2)
		for j := range texts[i] {
			texts[i][j] = int32(1000 + (i*7919+j*104729)%(vocab-1000))
		}
	}
	return texts
}

// BenchmarkEncode is MiniLM's vectors by padded length and batch size.
func BenchmarkEncode(b *testing.B) {
	dir := miniLM(b)
	for _, name := range lmtest.Names() {
		for _, bf16 := range []lm.BF16{lm.BF16Off, lm.BF16On} {
			w := load(b, lmtest.Open(b, name), dir, lm.Options{BF16: bf16}, Config{})
			for _, length := range []int{16, 32, 64, 96} {
				for _, n := range []int{1, 32, 128} {
					b.Run(fmt.Sprintf("%s/bf16=%v/tokens=%d/batch=%d", name, bf16, length, n), func(b *testing.B) {
						encode(b, w, longTexts(n, length, 30000))
					})
				}
			}
		}
	}
}

func encode(b *testing.B, w world, texts [][]int32) {
	for range 2 { // compiles
		if _, err := w.enc.Encode(background, nil, texts); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := w.enc.Encode(background, nil, texts); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(texts))/b.Elapsed().Seconds(), "texts/s")
}

// BenchmarkStep is forward and backward of 128 prompts against 4,000 items, adapters of rank 8 on every query and value.
func BenchmarkStep(b *testing.B) {
	dir := miniLM(b)
	for _, name := range lmtest.Names() {
		for _, bf16 := range []lm.BF16{lm.BF16Off, lm.BF16On} {
			w := load(b, lmtest.Open(b, name), dir, lm.Options{BF16: bf16}, Config{})
			for _, length := range []int{48, 96} {
				b.Run(fmt.Sprintf("%s/bf16=%v/tokens=%d", name, bf16, length), func(b *testing.B) { trainStep(b, w, length) })
			}
		}
	}
}

func trainStep(b *testing.B, w world, length int) {
	const rows, items = 128, 4000
	mods, err := w.base.Modules(nil)
	if err != nil {
		b.Fatal(err)
	}
	a, err := lora.New(lora.DefaultConfig(), mods, 1)
	if err != nil {
		b.Fatal(err)
	}
	p, err := w.base.Program("bench", &a.Config, mods, contrast(w.enc, 0.05, a.Config.Dropout))
	if err != nil {
		b.Fatal(err)
	}
	ids, mask := w.enc.Pad(longTexts(rows, length, 30000), rows, length)
	table := make([]float32, items*w.enc.Dim())
	for i := range table {
		table[i] = float32(i%17-8) / 100
	}
	data := []*tensors.Tensor{ids, mask, tensors.FromFlatDataAndDimensions(table, items, w.enc.Dim()), tensors.FromValue(make([]int32, rows)), tensors.FromScalar(int32(1))}
	step(b, p, a, data)
	for b.Loop() {
		step(b, p, a, data)
	}
}
