package sequence

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func benchWeights(b *testing.B, dim, vocab int) (*Weights, []int32) {
	b.Helper()
	cfg := DefaultConfig()
	cfg.Dim, cfg.FF = dim, dim
	w, err := NewWeights(cfg, vocab, 1)
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	history := make([]int32, cfg.MaxLen)
	for i := range history {
		history[i] = 1 + rng.Int32N(int32(vocab-1))
	}
	return w, history
}

func BenchmarkScores(b *testing.B) {
	for _, vocab := range []int{3700, 12000} {
		for _, dim := range []int{32, 48, 64} {
			b.Run(fmt.Sprintf("vocab=%d/dim=%d", vocab, dim), func(b *testing.B) {
				w, history := benchWeights(b, dim, vocab)
				out := make([]float32, vocab)
				b.ReportAllocs()
				for b.Loop() {
					w.Scores(history, out)
				}
			})
		}
	}
}

func BenchmarkAnswers(b *testing.B) {
	w, history := benchWeights(b, 64, 3700)
	b.ReportAllocs()
	for b.Loop() {
		w.Answers([][]int32{history}, 1, true, func(int, int) bool { return true }, func(int, int, Answer) {})
	}
}
