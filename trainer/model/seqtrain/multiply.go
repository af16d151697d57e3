//go:build !goexperiment.simd || !amd64

package seqtrain

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// multiply is product for matrices of a tile each.
func multiply(ta, tb blas.Transpose, alpha float32, a, b blas32.General, beta float32, c blas32.General) {
	blas32.Gemm(ta, tb, alpha, a, b, beta, c)
}
