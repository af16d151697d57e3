package seqstep

import (
	"fmt"

	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/sequence"
)

// Shape is a network with the training that is measured on it.
type Shape struct {
	Name    string
	Net     sequence.Config
	Train   seqtrain.Config
	Items   int // of the catalogue
	Batches int // of one timed pass over the data
}

// Shapes are the product's default network, on a catalogue of the size of Online Retail's, and a larger one with the exact
// softmax over the items of MovieLens-1M, which papers report on.
func Shapes() []Shape {
	wide := seqtrain.DefaultConfig()
	wide.FullSoftmax = 3416
	return []Shape{
		{Name: "default", Net: sequence.DefaultConfig(), Train: seqtrain.DefaultConfig(), Items: 3700, Batches: 4},
		{Name: "large", Net: sequence.Config{Dim: 64, Layers: 2, Heads: 2, MaxLen: 200, FF: 64, Dropout: 0.2}, Train: wide, Items: 3416, Batches: 1},
	}
}

// Full reports whether the softmax is over all items and not over a sample.
func (s Shape) Full() bool { return s.Items <= s.Train.FullSoftmax || s.Items <= s.Train.Negatives }

// String describes the shape for people.
func (s Shape) String() string {
	softmax := fmt.Sprintf("%d of %d items sampled", s.Train.Negatives, s.Items)
	if s.Full() {
		softmax = fmt.Sprintf("all %d items", s.Items)
	}
	return fmt.Sprintf("%s: dim %d, ff %d, %d layers, %d heads, %d rows of %d, softmax over %s",
		s.Name, s.Net.Dim, s.Net.FF, s.Net.Layers, s.Net.Heads, s.Train.Batch, s.Net.MaxLen, softmax)
}

// Positions is the number of trained positions of a step.
func (s Shape) Positions() int { return s.Train.Batch * s.Net.MaxLen }
