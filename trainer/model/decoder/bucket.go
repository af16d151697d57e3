package decoder

import (
	"errors"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/lm"
)

// length rounds a number of tokens up, so that few shapes are compiled, to at most most.
func length(n, most int) int {
	for _, b := range []int{8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024} {
		if n <= b {
			return max(n, min(b, most))
		}
	}
	return max(n, min((n+1023)/1024*1024, most))
}

// count rounds a number of rows up to a power of four, to at most most.
func count(n, most int) int {
	b := 1
	for b < n {
		b *= 4
	}
	return max(n, min(b, most))
}

// batch is texts padded on the right to one shape.
type batch struct {
	rows, width int
	ids, mask   []int32
}

// pad lays texts out in rows x width; rows beyond the texts are all padding.
func pad(texts [][]int32, rows, width int) batch {
	b := batch{rows, width, make([]int32, rows*width), make([]int32, rows*width)}
	for r, t := range texts {
		copy(b.ids[r*width:], t)
		for i := range t {
			b.mask[r*width+i] = 1
		}
	}
	return b
}

func (b batch) tensors() (ids, mask *tensors.Tensor) {
	return tensors.FromFlatDataAndDimensions(b.ids, b.rows, b.width), tensors.FromFlatDataAndDimensions(b.mask, b.rows, b.width)
}

// byLength returns the numbers of texts, short ones first, so that a batch holds texts of about one length.
func byLength(texts [][]int32) []int {
	out := make([]int, len(texts))
	for i := range out {
		out[i] = i
	}
	slices.SortStableFunc(out, func(a, b int) int { return len(texts[a]) - len(texts[b]) })
	return out
}

// widest is the number of tokens of the longest text.
func widest(texts [][]int32) int {
	n := 0
	for _, t := range texts {
		n = max(n, len(t))
	}
	return n
}

// pick returns the texts of these numbers.
func pick(texts [][]int32, numbers []int) [][]int32 {
	out := make([][]int32, len(numbers))
	for i, n := range numbers {
		out[i] = texts[n]
	}
	return out
}

// freeUnless gives device memory back, but after a run that got stuck: it still reads its inputs.
func freeUnless(err *error, list ...*tensors.Tensor) {
	if !errors.Is(*err, lm.ErrStuck) {
		free(list...)
	}
}

// free gives device memory back.
func free(list ...*tensors.Tensor) {
	for _, t := range list {
		if t != nil {
			t.MustFinalizeAll()
		}
	}
}
