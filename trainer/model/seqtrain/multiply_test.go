package seqtrain

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// Products of all kinds, of sizes around the edges of tiles and blocks, are what the definition says, and nothing outside c is written.
func TestProduct_isTheDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{1, 3, 4, 5, 15, 16, 17, 31, 64, 65, 200, 257}
	for range 300 {
		rows, cols, inner := sizes[rng.IntN(len(sizes))], sizes[rng.IntN(len(sizes))], sizes[rng.IntN(len(sizes))]
		ta, tb := [2]blas.Transpose{plain, flipped}[rng.IntN(2)], [2]blas.Transpose{plain, flipped}[rng.IntN(2)]
		a, b := random(rng, ta, rows, inner), random(rng, tb, inner, cols)
		alpha, beta := rng.Float32(), float32(rng.IntN(3))/2
		c := random(rng, plain, rows, cols)
		if beta == 0 {
			c.Data[0] = float32(math.NaN()) // a forgotten value must not matter
		}
		want := make([]float64, len(c.Data))
		for i, v := range c.Data {
			want[i] = float64(v)
		}
		for i := range rows {
			for j := range cols {
				sum := 0.0
				for k := range inner {
					sum += float64(entry(ta, a, i, k)) * float64(entry(tb, b, k, j))
				}
				old := want[i*c.Stride+j] * float64(beta)
				if beta == 0 {
					old = 0
				}
				want[i*c.Stride+j] = float64(alpha)*sum + old
			}
		}
		product(ta, tb, alpha, a, b, beta, c)
		for i, v := range c.Data {
			if !(math.Abs(float64(v)-want[i]) <= 1e-4) {
				t.Fatalf("%dx%dx%d, kinds %c %c, alpha %g, beta %g: entry %d is %g, want %g", rows, inner, cols, ta, tb, alpha, beta, i, v, want[i])
			}
		}
	}
}

// random is a matrix that is rows x cols once flipped as t says, with room to the right of it.
func random(rng *rand.Rand, t blas.Transpose, rows, cols int) blas32.General {
	if t == flipped {
		rows, cols = cols, rows
	}
	m := blas32.General{Rows: rows, Cols: cols, Stride: cols + rng.IntN(5)}
	m.Data = make([]float32, rows*m.Stride)
	for i := range m.Data {
		m.Data[i] = rng.Float32() - 0.5
	}
	return m
}

func entry(t blas.Transpose, m blas32.General, i, j int) float32 {
	if t == flipped {
		i, j = j, i
	}
	return m.Data[i*m.Stride+j]
}
