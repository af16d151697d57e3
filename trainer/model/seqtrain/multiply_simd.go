//go:build goexperiment.simd && amd64

package seqtrain

import (
	"simd/archsimd"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// A block of c is kept in registers while the inner sums run: 4 rows of 16 columns, in 8 registers of 8 floats.
const (
	blockRows = 4
	blockCols = 16
	lanesWide = 8
)

// panel holds the columns of b that a block needs, row by row, so that they are read in a line.
type panel [depth * blockCols]float32

// multiply is product for matrices of a tile each. gonum's inner loops are SSE without fused products; these take AVX2 and FMA. A build
// has them with GOEXPERIMENT=simd, and a processor without them gets gonum's.
func multiply(ta, tb blas.Transpose, alpha float32, a, b blas32.General, beta float32, c blas32.General) {
	if !archsimd.X86.AVX2() || !archsimd.X86.FMA() {
		blas32.Gemm(ta, tb, alpha, a, b, beta, c)
		return
	}
	inner, row, step := a.Cols, a.Stride, 1 // of a: the inner sum's length, and how far apart its rows and their entries are
	if ta == flipped {
		inner, row, step = a.Rows, 1, a.Stride
	}
	var p panel
	var out [blockRows * blockCols]float32
	for j := 0; j < c.Cols; j += blockCols {
		cols := min(blockCols, c.Cols-j)
		p.fill(tb, b, j, cols, inner)
		for i := 0; i < c.Rows; i += blockRows {
			rows := min(blockRows, c.Rows-i)
			var at [blockRows]int
			for r := range at {
				at[r] = (i + min(r, rows-1)) * row // rows that a does not have repeat its last one; nobody reads their sums
			}
			sumBlock(&out, a.Data, at, step, inner, &p)
			for r := range rows {
				deliver(c.Data[(i+r)*c.Stride+j:][:cols], out[r*blockCols:][:cols], alpha, beta)
			}
		}
	}
	archsimd.ClearAVXUpperBits() // what follows is SSE, which waits for wide registers in use
}

// fill copies the columns j..j+cols-1 of b, flipped or not; the columns beyond are 0.
func (p *panel) fill(tb blas.Transpose, b blas32.General, j, cols, inner int) {
	if cols < blockCols {
		clear(p[:inner*blockCols])
	}
	if tb != flipped {
		for k := range inner {
			copy(p[k*blockCols:][:cols], b.Data[k*b.Stride+j:])
		}
		return
	}
	for col := range cols {
		row := b.Data[(j+col)*b.Stride:][:inner]
		for k, v := range row {
			p[k*blockCols+col] = v
		}
	}
}

// sumBlock computes a block of sums from blockRows rows of a flattened a: row r begins at at[r], and its entries are step apart.
func sumBlock(out *[blockRows * blockCols]float32, a []float32, at [blockRows]int, step, inner int, p *panel) {
	a0, a1, a2, a3 := a[at[0]:], a[at[1]:], a[at[2]:], a[at[3]:]
	var s00, s01, s10, s11, s20, s21, s30, s31 archsimd.Float32x8
	rest := p[:]
	for k := 0; k < inner*step; k += step {
		b0 := archsimd.LoadFloat32x8((*[lanesWide]float32)(rest[:lanesWide]))
		b1 := archsimd.LoadFloat32x8((*[lanesWide]float32)(rest[lanesWide:blockCols]))
		rest = rest[blockCols:]
		x := archsimd.BroadcastFloat32x8(a0[k])
		s00, s01 = x.MulAdd(b0, s00), x.MulAdd(b1, s01)
		x = archsimd.BroadcastFloat32x8(a1[k])
		s10, s11 = x.MulAdd(b0, s10), x.MulAdd(b1, s11)
		x = archsimd.BroadcastFloat32x8(a2[k])
		s20, s21 = x.MulAdd(b0, s20), x.MulAdd(b1, s21)
		x = archsimd.BroadcastFloat32x8(a3[k])
		s30, s31 = x.MulAdd(b0, s30), x.MulAdd(b1, s31)
	}
	for i, s := range [...]archsimd.Float32x8{s00, s01, s10, s11, s20, s21, s30, s31} {
		s.Store((*[lanesWide]float32)(out[i*lanesWide:][:lanesWide]))
	}
}

// deliver is c = alpha*sums + beta*c. A beta of 0 forgets what c held, NaN too.
func deliver(c, sums []float32, alpha, beta float32) {
	sums = sums[:len(c)]
	if beta == 0 {
		for i, v := range sums {
			c[i] = alpha * v
		}
		return
	}
	for i, v := range sums {
		c[i] = alpha*v + beta*c[i]
	}
}
