package offline

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// startFrom writes the principal components of vectors, n of dim floats and all zero for an item without a title, into the rows of a fresh
// item table, at the length that fresh rows have. Rows of items without a title stay.
func startFrom(w *sequence.Weights, vectors []float32, dim int) error {
	n, d := w.Vocab(), w.Config().Dim
	if d > dim {
		return errors.New("--networks titles: the network is wider than the language model's vectors")
	}
	mean, titled := make([]float64, dim), 0
	rowOf := func(i int) []float32 { return vectors[i*dim : (i+1)*dim] }
	for i := range n {
		if blank(rowOf(i)) {
			continue
		}
		titled++
		for j, v := range rowOf(i) {
			mean[j] += float64(v)
		}
	}
	for j := range mean {
		mean[j] /= float64(max(titled, 1))
	}
	spread := mat.NewSymDense(dim, nil)
	centred := mat.NewVecDense(dim, nil)
	for i := range n {
		if blank(rowOf(i)) {
			continue
		}
		for j, v := range rowOf(i) {
			centred.SetVec(j, float64(v)-mean[j])
		}
		spread.SymRankOne(spread, 1, centred)
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(spread, true) {
		return errors.New("--networks titles: the components of the titles' vectors were not found")
	}
	var axes mat.Dense
	eigen.VectorsTo(&axes) // ascending values: the last columns say most
	length, whole := 0.0, 0.0
	out := make([]float64, n*d)
	for i := range n {
		if blank(rowOf(i)) {
			continue
		}
		for k := range d {
			sum := 0.0
			for j, v := range rowOf(i) {
				sum += (float64(v) - mean[j]) * axes.At(j, dim-1-k)
			}
			out[i*d+k] = sum
			length += sum * sum
		}
		for _, v := range w.Items()[i*d : (i+1)*d] {
			whole += float64(v) * float64(v)
		}
	}
	scale := math.Sqrt(whole / math.Max(length, math.SmallestNonzeroFloat64))
	for i := range n {
		if blank(rowOf(i)) {
			continue
		}
		for k := range d {
			w.Items()[i*d+k] = float32(out[i*d+k] * scale)
		}
	}
	return nil
}

func blank(row []float32) bool {
	for _, v := range row {
		if v != 0 {
			return false
		}
	}
	return true
}
