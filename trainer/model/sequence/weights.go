package sequence

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/softrec/softrec/trainer/model/pace"
)

// Tensor is one named array of weights.
type Tensor struct {
	Name  string
	Shape []int     // row major
	Data  []float32 // len = product of Shape
}

// Weights are the values of one network for a vocabulary of Vocab items. Make one with NewWeights, Decode or Clone.
type Weights struct {
	cfg     Config
	vocab   int
	tensors []Tensor
	scratch *sync.Pool // *scratch, sized by cfg
	near    *near
}

// block names the tensors of one attention block.
type block struct {
	q, k, v, o []float32 // Dim x Dim
	ff1, ff1b  []float32 // Dim x FF, FF
	ff2        []float32 // FF x Dim
}

const tensorsPerBlock = 7

// Config returns the shape of the network.
func (w *Weights) Config() Config { return w.cfg }

// Vocab is the number of rows of the item table, including row 0, which stands for padding and is never scored.
func (w *Weights) Vocab() int { return w.vocab }

// Tensors returns the arrays in their fixed order: items (Vocab x Dim), positions (MaxLen x Dim), then for each block
// q, k, v, o (Dim x Dim), ff1 (Dim x FF), ff1_bias (FF), ff2 (FF x Dim), and last norm (Dim). They are shared, not
// copied: only an owner that no reader knows of may write to them.
func (w *Weights) Tensors() []Tensor { return w.tensors }

// Items returns the item table, Vocab rows of Dim floats. It is shared, not copied.
func (w *Weights) Items() []float32 { return w.tensors[0].Data }

// Positions returns the position table, MaxLen rows of Dim floats; the last row belongs to the newest item. It is shared, not copied.
func (w *Weights) Positions() []float32 { return w.tensors[1].Data }

func (w *Weights) norm() []float32 { return w.tensors[len(w.tensors)-1].Data }

func (w *Weights) block(l int) block {
	t := w.tensors[2+l*tensorsPerBlock:]
	return block{q: t[0].Data, k: t[1].Data, v: t[2].Data, o: t[3].Data, ff1: t[4].Data, ff1b: t[5].Data, ff2: t[6].Data}
}

// layout lists names and shapes of the tensors in their order.
func layout(c Config, vocab int) []Tensor {
	ts := []Tensor{{Name: "items", Shape: []int{vocab, c.Dim}}, {Name: "positions", Shape: []int{c.MaxLen, c.Dim}}}
	for l := range c.Layers {
		p := "block" + strconv.Itoa(l) + "."
		for _, n := range []string{"q", "k", "v", "o"} {
			ts = append(ts, Tensor{Name: p + n, Shape: []int{c.Dim, c.Dim}})
		}
		ts = append(ts,
			Tensor{Name: p + "ff1", Shape: []int{c.Dim, c.FF}},
			Tensor{Name: p + "ff1_bias", Shape: []int{c.FF}},
			Tensor{Name: p + "ff2", Shape: []int{c.FF, c.Dim}})
	}
	return append(ts, Tensor{Name: "norm", Shape: []int{c.Dim}})
}

// size is the number of floats of a shape.
func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// newEmpty checks the sizes and makes Weights without arrays.
func newEmpty(cfg Config, vocab int) (*Weights, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("shape sequence weights: %w", err)
	}
	if vocab < 1 || vocab > maxVocab {
		return nil, fmt.Errorf("shape sequence weights: vocabulary of %d rows: want 1 to %d", vocab, maxVocab)
	}
	w := &Weights{cfg: cfg, vocab: vocab, tensors: layout(cfg, vocab), scratch: newScratchPool(cfg), near: &near{}}
	if n := w.Params(); n > maxFloats {
		return nil, fmt.Errorf("shape sequence weights: %d floats: want at most %d", n, maxFloats)
	}
	return w, nil
}

// Params is the number of weights.
func (w *Weights) Params() int {
	n := 0
	for _, t := range w.tensors {
		n += size(t.Shape)
	}
	return n
}

// Clone returns a deep copy.
func (w *Weights) Clone() *Weights {
	c := &Weights{cfg: w.cfg, vocab: w.vocab, tensors: slices.Clone(w.tensors), scratch: newScratchPool(w.cfg), near: &near{}}
	for i := range c.tensors {
		c.tensors[i].Shape = slices.Clone(c.tensors[i].Shape)
		c.tensors[i].Data = slices.Clone(c.tensors[i].Data)
	}
	return c
}

// Validate reports the first weight that is not a finite number.
func (w *Weights) Validate() error { return w.validate(nil) }

// validate is Validate at the pace of p.
func (w *Weights) validate(p *pace.Pacer) error {
	for _, t := range w.tensors {
		for i, v := range t.Data {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("sequence weights: %s[%d] is %v: want a finite number", t.Name, i, v)
			}
			p.Did(2)
		}
	}
	return nil
}
