package offline

import (
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

const (
	nearTitles   = 256 // nearest titles kept per item: enough to fill any list, and bounded however large the catalogue
	recentTitles = 20  // newest items of a history whose titles speak
	titleBlock   = 64  // items compared with the catalogue at a time
)

// titles holds the nearest titles of each item.
type titles struct {
	near [][]int32   // by item number, ascending; none for an item without a title
	like [][]float32 // in parallel: the cosine, above 0
}

// newTitles finds them; vectors are n unit vectors of dim floats, all zero for an item without a title.
func newTitles(vectors []float32, n, dim int) *titles {
	t := &titles{near: make([][]int32, n), like: make([][]float32, n)}
	table := blas32.General{Rows: n, Cols: dim, Stride: dim, Data: vectors}
	blocks := (n + titleBlock - 1) / titleBlock
	parallel(blocks, func() func(int) {
		out := make([]float32, titleBlock*n)
		return func(block int) {
			from := block * titleBlock
			rows := min(titleBlock, n-from)
			blas32.Gemm(blas.NoTrans, blas.Trans, 1,
				blas32.General{Rows: rows, Cols: dim, Stride: dim, Data: vectors[from*dim:]}, table, 0,
				blas32.General{Rows: rows, Cols: n, Stride: n, Data: out[:rows*n]})
			for i := range rows {
				t.keep(from+i, out[i*n:(i+1)*n])
			}
		}
	})
	return t
}

// keep notes the nearest of one item, itself left out.
func (t *titles) keep(item int, like []float32) {
	like[item] = 0
	for i, v := range like {
		if !(v > 0) {
			like[i] = lowest
		}
	}
	near := best(like, nearTitles, nil)
	slices.Sort(near)
	t.near[item], t.like[item] = near, make([]float32, len(near))
	for i, other := range near {
		t.like[item][i] = like[other]
	}
}

// fill writes the greatest and the mean cosine of each title to those of the newest items of a history, 0 where none of them
// has it among its nearest.
func (t *titles) fill(history []int32, best, mean []float32) {
	clear(best)
	clear(mean)
	recent := history[max(0, len(history)-recentTitles):]
	share := 1 / float32(max(len(recent), 1))
	for _, item := range recent {
		for i, other := range t.near[item] {
			v := t.like[item][i]
			best[other] = max(best[other], v)
			mean[other] += share * v
		}
	}
}
