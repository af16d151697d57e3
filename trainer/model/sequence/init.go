package sequence

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

const (
	// itemScale is the standard deviation of fresh item vectors times sqrt(Dim).
	itemScale = 0.25
	// branchScale shrinks the matrices that end a block's parts, so that a fresh network starts near the item itself and learns what to add.
	branchScale = 0.3
)

// NewWeights makes the starting point of a network for a vocabulary of vocab rows (row 0 is padding and stays zero).
// The same arguments give the same bits.
func NewWeights(cfg Config, vocab int, seed uint64) (*Weights, error) {
	w, err := newEmpty(cfg, vocab)
	if err != nil {
		return nil, err
	}
	for i := range w.tensors {
		t := &w.tensors[i]
		t.Data = make([]float32, size(t.Shape))
		switch {
		case i == 0:
			initItems(t.Data, cfg.Dim, 0, seed)
		case t.Name == "norm":
			for j := range t.Data {
				t.Data[j] = 1
			}
		case i == 1:
			fillNormal(t.Data, 0.02, seed, uint64(i))
		case len(t.Shape) == 2:
			std := 1 / math.Sqrt(float64(t.Shape[0]))
			if strings.HasSuffix(t.Name, ".o") || strings.HasSuffix(t.Name, ".ff2") {
				std *= branchScale
			}
			fillNormal(t.Data, std, seed, uint64(i))
		}
	}
	return w, nil
}

// Grow returns a copy with rows for a vocabulary of vocab items; the old rows keep their values and the new ones get
// the values that NewWeights would have given them for this seed, so growing in steps or at once is the same. A
// vocabulary that is not larger gives a plain copy.
func (w *Weights) Grow(vocab int, seed uint64) (*Weights, error) {
	if vocab <= w.vocab {
		return w.Clone(), nil
	}
	g, err := newEmpty(w.cfg, vocab)
	if err != nil {
		return nil, fmt.Errorf("grow from %d rows: %w", w.vocab, err)
	}
	for i := range g.tensors {
		if i > 0 {
			g.tensors[i].Data = slices.Clone(w.tensors[i].Data)
			continue
		}
		g.tensors[0].Data = make([]float32, vocab*w.cfg.Dim)
		copy(g.tensors[0].Data, w.tensors[0].Data)
		initItems(g.tensors[0].Data, w.cfg.Dim, w.vocab, seed)
	}
	return g, nil
}

// initItems fills the rows of an item table from row `from` on, each from a generator of its own.
func initItems(data []float32, dim, from int, seed uint64) {
	for r := max(from, 1); r < len(data)/dim; r++ {
		fillNormal(data[r*dim:(r+1)*dim], itemScale/math.Sqrt(float64(dim)), seed, 1<<32+uint64(r))
	}
}

func fillNormal(data []float32, std float64, seed, stream uint64) {
	rng := rand.New(rand.NewPCG(seed, stream))
	for i := range data {
		data[i] = float32(rng.NormFloat64() * std)
	}
}
