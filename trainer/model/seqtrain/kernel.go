package seqtrain

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// tile is the side of the blocks in which gonum multiplies. It starts goroutines for products of four blocks or more, which would
// come on top of the lanes' own: so products are cut into pieces of at most three.
const (
	tile  = 64
	strip = 3 * tile
	depth = 4 * tile // of the inner sums at a time, so that the factors stay in the cache
)

// Kinds of products, by which factor is transposed.
const (
	plain   = blas.NoTrans
	flipped = blas.Trans
)

// matrix sees data as rows x cols.
func matrix(data []float32, rows, cols int) blas32.General {
	return blas32.General{Rows: rows, Cols: cols, Stride: cols, Data: data}
}

// within is the part of m of rows x cols from (row, col) on.
func within(m blas32.General, row, col, rows, cols int) blas32.General {
	return blas32.General{Rows: rows, Cols: cols, Stride: m.Stride, Data: m.Data[row*m.Stride+col:]}
}

// product is c = alpha*a*b + beta*c, a and b flipped or not.
func product(ta, tb blas.Transpose, alpha float32, a, b blas32.General, beta float32, c blas32.General) {
	inner := a.Cols
	if ta == flipped {
		inner = a.Rows
	}
	for k := 0; k < inner; k += depth {
		deep := min(depth, inner-k)
		for i := 0; i < c.Rows; i += tile {
			rows := min(tile, c.Rows-i)
			left := factor(ta, a, i, k, rows, deep)
			for j := 0; j < c.Cols; j += strip {
				cols := min(strip, c.Cols-j)
				right := factor(tb, b, k, j, deep, cols)
				multiply(ta, tb, alpha, left, right, beta, within(c, i, j, rows, cols))
			}
		}
		beta = 1
	}
}

// factor is the part of m, once it is flipped where that is wanted.
func factor(t blas.Transpose, m blas32.General, row, col, rows, cols int) blas32.General {
	if t == flipped {
		return within(m, col, row, cols, rows)
	}
	return within(m, row, col, rows, cols)
}

// axpy is y += a*x.
func axpy(a float32, x, y []float32) {
	blas32.Axpy(a, blas32.Vector{N: len(x), Inc: 1, Data: x}, blas32.Vector{N: len(x), Inc: 1, Data: y})
}

// dot is the sum of products.
func dot(x, y []float32) float32 {
	return blas32.Dot(blas32.Vector{N: len(x), Inc: 1, Data: x}, blas32.Vector{N: len(x), Inc: 1, Data: y})
}

// addMasked is x += y*mask, without a mask x += y.
func addMasked(x, y, mask []float32) {
	if mask == nil {
		axpy(1, y, x)
		return
	}
	x, mask = x[:len(y)], mask[:len(y)]
	for i, v := range y {
		x[i] += v * mask[i]
	}
}

// masked is out = y*mask, without a mask y itself.
func masked(out, y, mask []float32) []float32 {
	if mask == nil {
		return y
	}
	out, mask = out[:len(y)], mask[:len(y)]
	for i, v := range y {
		out[i] = v * mask[i]
	}
	return out
}

// rootMeans writes rows of x over their root mean square to y, and the inverse of that to inv.
func rootMeans(x, y, inv []float32, d int) {
	for i := range inv {
		row := x[i*d : (i+1)*d]
		inv[i] = 1 / float32(math.Sqrt(float64(dot(row, row)/float32(d)+normEps)))
		out := y[i*d:][:len(row)]
		for j, v := range row {
			out[j] = v * inv[i]
		}
	}
}

// addRootMeansBack adds to dx what the gradient dy of y makes of it, y and inv being those of rootMeans.
func addRootMeansBack(dx, dy, y, inv []float32, d int) {
	for i, s := range inv {
		row, g := y[i*d:(i+1)*d], dy[i*d:(i+1)*d]
		mean := dot(row, g) / float32(d)
		out := dx[i*d:][:len(row)]
		for j, v := range g {
			out[j] += s * (v - row[j]*mean)
		}
	}
}
