package retrieval

import (
	"context"
	"errors"
	"fmt"
	"math/bits"

	"github.com/gomlx/gomlx/core/tensors"
)

// leftOut is added to the score of what must not be chosen: e^leftOut is 0 in float32.
const leftOut = -1e9

// Table is the catalogue: the tokens and the frozen vector of every title, on the host and on the device. Items without a title
// keep their row, but are never an answer and rank at infinity.
type Table struct {
	items   int
	dim     int
	titles  [][]int32
	titled  []bool
	vectors []float32       // items x dim, zeros where there is no title
	device  *tensors.Tensor // padded rows x dim
	bias    *tensors.Tensor // padded rows: 0 or leftOut
	pad     int             // padded rows
}

// Table encodes titles (token ids without special tokens, by item row; empty = no title) with the frozen base.
func (e *Engine) Table(ctx context.Context, titles [][]int32) (*Table, error) {
	var texts [][]int32
	var rows []int
	for i, t := range titles {
		if len(t) > 0 {
			texts, rows = append(texts, t), append(rows, i)
		}
	}
	got, err := e.enc.Encode(ctx, nil, texts)
	if err != nil {
		return nil, fmt.Errorf("encode the catalogue: %w", err)
	}
	vectors := make([][]float32, len(titles))
	for k, i := range rows {
		vectors[i] = got[k]
	}
	return e.TableOf(titles, vectors)
}

// TableOf makes a table from vectors of length 1 that the frozen base gave earlier; those of items without a title may be nil.
func (e *Engine) TableOf(titles [][]int32, vectors [][]float32) (*Table, error) {
	if len(titles) == 0 || len(titles) != len(vectors) {
		return nil, fmt.Errorf("item table: %d titles and %d vectors: want as many of both, at least 1", len(titles), len(vectors))
	}
	t := &Table{items: len(titles), dim: e.enc.Dim(), titles: titles, titled: make([]bool, len(titles)), pad: padded(len(titles))}
	t.vectors = make([]float32, t.items*t.dim)
	all, bias := make([]float32, t.pad*t.dim), make([]float32, t.pad)
	known := 0
	for i := range bias {
		bias[i] = leftOut
		if i >= t.items || len(titles[i]) == 0 {
			continue
		}
		if len(vectors[i]) != t.dim {
			return nil, fmt.Errorf("item table: vector %d has %d values: want %d", i, len(vectors[i]), t.dim)
		}
		copy(t.vectors[i*t.dim:], vectors[i])
		t.titled[i], bias[i] = true, 0
		known++
	}
	if known == 0 {
		return nil, fmt.Errorf("item table: none of %d items has a title", len(titles))
	}
	copy(all, t.vectors)
	t.device = tensors.FromFlatDataAndDimensions(all, t.pad, t.dim)
	t.bias = tensors.FromFlatDataAndDimensions(bias, 1, t.pad)
	return t, nil
}

// padded rounds a number of rows up by at most an eighth, so that a growing catalogue seldom means a new shape to compile.
func padded(n int) int {
	step := max(1, 1<<max(0, bits.Len(uint(n))-4))
	return (n + step - 1) / step * step
}

// Len is the number of items.
func (t *Table) Len() int { return t.items }

// Vector is the frozen vector of an item, zeros where it has no title; it is shared and must not be changed.
func (t *Table) Vector(item int) []float32 { return t.vectors[item*t.dim : (item+1)*t.dim] }

// Close frees the device's memory, after the last use.
func (t *Table) Close() error { return errors.Join(t.device.FinalizeAll(), t.bias.FinalizeAll()) }
