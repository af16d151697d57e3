package offline

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestTitles_equalPlainCosines(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	const n, dim = 150, 6 // more than one block, fewer than the neighbours kept
	vectors := make([]float32, n*dim)
	for i := 1; i < n; i++ {
		row, sum := vectors[i*dim:(i+1)*dim], 0.0
		if i%10 == 0 {
			continue // no title
		}
		for j := range row {
			row[j] = float32(rng.NormFloat64())
			sum += float64(row[j] * row[j])
		}
		for j := range row {
			row[j] /= float32(math.Sqrt(sum))
		}
	}
	tt := newTitles(vectors, n, dim)
	history := []int32{5, 10, 77, 149}
	best, mean := make([]float32, n), make([]float32, n)
	tt.fill(history, best, mean)
	for i := 1; i < n; i++ {
		wantBest, wantMean := 0.0, 0.0
		for _, h := range history {
			c := 0.0
			for j := range dim {
				c += float64(vectors[i*dim+j]) * float64(vectors[int(h)*dim+j])
			}
			if c > 0 && int(h) != i {
				wantBest, wantMean = max(wantBest, c), wantMean+c/float64(len(history))
			}
		}
		if math.Abs(wantBest-float64(best[i])) > 1e-5 || math.Abs(wantMean-float64(mean[i])) > 1e-5 {
			t.Fatalf("item %d: %v and %v, want %v and %v", i, best[i], mean[i], wantBest, wantMean)
		}
	}
}
