package seqstep

import (
	"testing"

	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/soft"
)

// BenchmarkPass trains over the data of each shape once, on the pure-Go backend as shipped: to be profiled, where `softrec bench train` compares.
func BenchmarkPass(b *testing.B) {
	cfg := backend.DefaultConfig()
	cfg.Plugin = backend.None
	be, _, err := backend.Open(cfg, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer be.Finalize()
	for _, s := range Shapes() {
		b.Run(s.Name, func(b *testing.B) {
			w, err := s.Timed(1)
			if err != nil {
				b.Fatal(err)
			}
			l, err := seqtrain.New(be, w.Train, w.Weights, seqtrain.Data{Train: w.Data}, 1)
			if err != nil {
				b.Fatal(err)
			}
			for epoch := 0; b.Loop(); epoch++ {
				if _, err := l.Train(b.Context(), soft.Pass{Seed: 1, Epoch: epoch}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N*s.Batches), "ms/step")
		})
	}
}
