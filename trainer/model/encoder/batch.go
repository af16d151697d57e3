package encoder

import (
	"cmp"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
)

// batch is texts that run together.
type batch struct {
	texts  []int // places in the input
	rows   int   // the size, at least len(texts)
	length int   // padded tokens
}

// plan sorts texts by length into batches. The order depends on the lengths only.
func (e *Encoder) plan(texts [][]int32) []batch {
	byLength := map[int][]int{}
	for i, t := range texts {
		n := e.Length(len(t))
		byLength[n] = append(byLength[n], i)
	}
	var out []batch
	for _, n := range e.buckets {
		left := byLength[n]
		slices.SortStableFunc(left, func(a, b int) int { return cmp.Compare(len(texts[a]), len(texts[b])) })
		for len(left) > 0 {
			rows := size(len(left), e.rows)
			take := min(rows, len(left))
			out, left = append(out, batch{left[:take], rows, n}), left[take:]
		}
	}
	return out
}

// Length is the padded length of a text of n tokens, special tokens not counted.
func (e *Encoder) Length(n int) int {
	n += e.specials
	for _, b := range e.buckets {
		if n <= b {
			return b
		}
	}
	return e.buckets[len(e.buckets)-1]
}

// Pad lays out texts as model inputs ids and mask, rows x length in int32: special tokens around each text, padding on the right,
// empty rows after the last text. Texts that are too long lose their end. The caller frees the tensors. rows must be at
// least len(texts), and length one that Length gave.
func (e *Encoder) Pad(texts [][]int32, rows, length int) (ids, mask *tensors.Tensor) {
	i, m := make([]int32, rows*length), make([]int32, rows*length)
	for k := range i {
		i[k] = e.special.pad
	}
	for r, t := range texts {
		n := e.fill(i[r*length:(r+1)*length], t)
		for k := range n {
			m[r*length+k] = 1
		}
	}
	return tensors.FromFlatDataAndDimensions(i, rows, length), tensors.FromFlatDataAndDimensions(m, rows, length)
}

// fill writes one text with its special tokens and returns its length.
func (e *Encoder) fill(row, text []int32) int {
	n := 0
	if e.special.cls >= 0 {
		row[0] = e.special.cls
		n = 1
	}
	n += copy(row[n:len(row)-(e.specials-n)], text)
	if e.special.sep >= 0 {
		row[n] = e.special.sep
		n++
	}
	return n
}
