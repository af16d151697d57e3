package seqtrain

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/soft"
)

// retail is of the size of Online Retail's warm-up: full rows over 3,700 items.
func retail(rows int) Data {
	rng := rand.New(rand.NewPCG(1, 1))
	var d Data
	for range rows {
		ex := Example{Items: make([]int32, 50), Targets: make([]int32, 50)}
		for i := range ex.Items {
			ex.Items[i], ex.Targets[i] = 1+rng.Int32N(3699), 1+rng.Int32N(3699)
		}
		d.Train = append(d.Train, ex)
	}
	return d
}

// BenchmarkStep is one step of training: multiply by the steps of an epoch, tokens/(batch*max_len).
func BenchmarkStep(b *testing.B) {
	type variant struct{ dim, layers, heads, batch, negatives int }
	backends := map[string]backend.Config{"default": backend.DefaultConfig(), "parallel": {Plugin: backend.None, Parallelism: 32}}
	for _, name := range []string{"default", "parallel"} {
		be, info, err := backend.Open(backends[name], nil)
		if err != nil {
			b.Fatal(err)
		}
		for _, v := range []variant{
			{48, 1, 1, 16, 256}, {32, 1, 1, 16, 256}, {64, 1, 1, 16, 256}, {64, 2, 1, 16, 256}, {64, 2, 2, 16, 256},
			{48, 1, 1, 32, 256}, {48, 1, 1, 64, 256}, {48, 1, 1, 16, 128}, {48, 1, 1, 16, 512},
		} {
			b.Run(fmt.Sprintf("%s/%s/dim=%d/layers=%d/heads=%d/batch=%d/negatives=%d", name, info.Name, v.dim, v.layers, v.heads, v.batch, v.negatives), func(b *testing.B) {
				step(b, be, sequence.Config{Dim: v.dim, Layers: v.layers, Heads: v.heads, MaxLen: 50, FF: v.dim, Dropout: 0.2}, v.batch, v.negatives)
			})
		}
		be.Finalize()
	}
}

func step(b *testing.B, be compute.Backend, net sequence.Config, batch, negatives int) {
	cfg := DefaultConfig()
	cfg.Batch, cfg.Negatives = batch, negatives
	l := newLearner(b, be, cfg, weights(b, net, 3700, 1), retail(batch))
	train(b, l, soft.Pass{Seed: 1})
	for b.Loop() {
		train(b, l, soft.Pass{Seed: 1})
	}
}

// BenchmarkDistil answers the prompts of 100 full rows.
func BenchmarkDistil(b *testing.B) {
	l := newLearner(b, goBackend(b), DefaultConfig(), weights(b, sequence.DefaultConfig(), 3700, 1), retail(100))
	for b.Loop() {
		if _, err := l.Distil(background); err != nil {
			b.Fatal(err)
		}
	}
}
