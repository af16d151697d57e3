package cooccurrence

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// What factoring goes by.
const (
	spare = 8 // columns beyond those wanted, which make the wanted ones exact
	turns = 3 // multiplications that sharpen them
	seed  = 0x636f6f63
)

// sparse is a symmetric matrix by rows.
type sparse struct {
	cols   [][]int32
	values [][]float64
}

func newSparse(n int) *sparse {
	return &sparse{cols: make([][]int32, n), values: make([][]float64, n)}
}

func (m *sparse) size() int { return len(m.cols) }

func (m *sparse) set(i, j int, v float64) {
	m.cols[i], m.values[i] = append(m.cols[i], int32(j)), append(m.values[i], v)
	m.cols[j], m.values[j] = append(m.cols[j], int32(i)), append(m.values[j], v)
}

// times is the product with a dense matrix of as many rows.
func (m *sparse) times(x *mat.Dense) *mat.Dense {
	_, width := x.Dims()
	out := mat.NewDense(m.size(), width, nil)
	for i, cols := range m.cols {
		to := out.RawRowView(i)
		for k, j := range cols {
			v := m.values[i][k]
			for c, y := range x.RawRowView(int(j)) {
				to[c] += v * y
			}
		}
	}
	return out
}

// factor places every row by the dim strongest directions of m, each scaled by the root of its strength.
func (m *sparse) factor(dim int) []float64 {
	out := make([]float64, m.size()*dim)
	if dim == 0 {
		return out
	}
	width := min(dim+spare, m.size())
	rng := rand.New(rand.NewPCG(seed, 0))
	q := mat.NewDense(m.size(), width, nil)
	q.Apply(func(_, _ int, _ float64) float64 { return rng.NormFloat64() }, q)
	for range turns {
		q = basis(m.times(q))
	}
	var small mat.Dense
	small.Mul(q.T(), m.times(q))
	sym := mat.NewSymDense(width, nil)
	for i := range width {
		for j := i; j < width; j++ {
			sym.SetSym(i, j, (small.At(i, j)+small.At(j, i))/2)
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(sym, true) {
		return out // numbers that are not finite, which counts never give: nothing is on the map
	}
	var turn, all mat.Dense
	eigen.VectorsTo(&turn)
	all.Mul(q, &turn)
	values := eigen.Values(nil)
	order := make([]int, width)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch x, y := math.Abs(values[a]), math.Abs(values[b]); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	for c, from := range order[:dim] {
		scale := math.Sqrt(math.Abs(values[from]))
		for r := range m.size() {
			out[r*dim+c] = scale * all.At(r, from)
		}
	}
	return out
}

// basis is an orthonormal basis of what the columns of x span.
func basis(x *mat.Dense) *mat.Dense {
	var svd mat.SVD
	if !svd.Factorize(x, mat.SVDThinU) {
		return x
	}
	var u mat.Dense
	svd.UTo(&u)
	return &u
}
