package mixer

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The kernel of this processor gives the bits of the plain loop, for every width and list, an empty one too.
func TestGather_bitsOfThePlainLoop(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		rows, wide := 1+rng.IntN(50), lanes*(1+rng.IntN(8))
		m := make([]float32, rows*wide)
		for i := range m {
			m[i] = float32(rng.NormFloat64()) * float32(math.Exp2(float64(rng.IntN(20)-10)))
		}
		var offsets []int32
		var values []float32
		for range rng.IntN(60) {
			offsets = append(offsets, int32(rng.IntN(rows)*wide))
			values = append(values, float32(rng.NormFloat64()))
		}
		want, got := make([]float32, wide), make([]float32, wide)
		for i := range want {
			want[i] = float32(rng.NormFloat64())
		}
		copy(got, want)
		gatherLanes(offsets, values, m, want)
		gather(offsets, values, m, got)
		for i := range want {
			if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
				t.Fatalf("%d rows of %d, %d listed: number %d is %v, want %v", rows, wide, len(offsets), i, got[i], want[i])
			}
		}
	}
}

func TestGather_refusesRowsBeyondTheMatrix(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a row beyond the matrix was read")
		}
	}()
	gather([]int32{8}, []float32{1}, make([]float32, 15), make([]float32, 8))
}
