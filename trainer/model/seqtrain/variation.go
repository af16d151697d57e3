package seqtrain

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// Variation is what an ablation changes in the network or its loss. The zero value changes nothing, and only it is the product: what rounds
// train, snapshots hold and package sequence computes. A learner of another one is computed by gomlx's graphs on every backend, which takes
// long without a tensor compiler, and ranks by Learner.Scores.
type Variation struct {
	Gated       bool    // blocks as in eSASRec (arXiv 2508.06450): a learned gate on either branch, and a feed-forward layer by SwiGLU
	Binary      bool    // binary cross-entropy of the target and of the sample, in place of the softmax
	Calibration float64 // of the binary loss, t of gBCE (gSASRec, arXiv 2308.07192): 0 is plain, 1 undoes the sampling's overconfidence wholly
}

// Validate reports a calibration that is none.
func (v Variation) Validate() error {
	if !(v.Calibration >= 0 && v.Calibration <= 1) || v.Calibration > 0 && !v.Binary {
		return fmt.Errorf("variation.calibration %v: want 0 to 1, and 0 without binary", v.Calibration)
	}
	return nil
}

// power is gBCE's exponent of the target's probability where share of all items is sampled.
func (v Variation) power(share float64) float64 {
	return share * (v.Calibration*(1-1/share) + 1/share)
}

// Word is one term of an item's title and what it weighs there.
type Word struct {
	Term   int32
	Weight float32
}

// Extras are inputs of the network beyond items and their places. Both are tables of vectors that training learns.
type Extras struct {
	Words [][]Word // by item: an item's vector is its own one plus the weighted sum of those of its words. nil: none
	Sides int      // rows of the table that Example.Sides names; 0: none
}

// Vary makes a learner as Learner does, of a network with variation v that also takes extras. Its weights alone (Weights, Averaged) are the
// whole network only where v is zero and there are no sides: words are within the item table.
func (e *Engine) Vary(start *sequence.Weights, data Data, seed uint64, v Variation, x Extras) (*Learner, error) {
	if err := v.Validate(); err != nil {
		return nil, fmt.Errorf("new sequence learner: %w", err)
	}
	if x.Words != nil && start != nil && len(x.Words) != start.Vocab() {
		return nil, fmt.Errorf("new sequence learner: words of %d items: want of %d", len(x.Words), start.Vocab())
	}
	l, err := e.Learner(start, data, seed)
	if err != nil {
		return nil, err
	}
	for _, s := range l.seqs {
		for _, two := range s.sides {
			for _, id := range two {
				if id < 0 || int(id) >= max(x.Sides, 1) {
					return nil, fmt.Errorf("new sequence learner: side input %d: want 0 to %d", id, max(x.Sides, 1)-1)
				}
			}
		}
	}
	l.vary, l.sampler.binary = v, v.Binary
	l.words = x.Words
	l.extra = newExtra(start.Config(), v, x, seed)
	if x.Words != nil {
		l.extra.own = append([]float32(nil), l.weights.Items()...)
		l.compose()
	}
	for _, t := range l.extra.tensors {
		l.adam.first, l.adam.second = append(l.adam.first, make([]float32, len(t.Data))), append(l.adam.second, make([]float32, len(t.Data)))
	}
	l.average = newAverage(e.cfg.Average, l.weights, l.extra.tensors)
	return l, nil
}

// extra is what a varied network has beside sequence.Weights.
type extra struct {
	tensors []sequence.Tensor // those of the graph, then sides, then words; every index is good for Adam behind those of the weights
	graph   int               // of the graph
	sides   int               // index of the sides' table, -1 for none
	words   int               // of the words'
	own     []float32         // items' vectors without their words, nil without words
}

func (x extra) clone() extra {
	x.tensors = cloneTensors(x.tensors)
	x.own = append([]float32(nil), x.own...)
	return x
}

func cloneTensors(ts []sequence.Tensor) []sequence.Tensor {
	out := append([]sequence.Tensor(nil), ts...)
	for i := range out {
		out[i].Data = append([]float32(nil), out[i].Data...)
	}
	return out
}

// Tensors of a gated block, behind those of sequence.Weights.
const (
	gateAttention = iota
	gateAttentionBias
	gateFF
	gateFFBias
	gateUp
	tensorsPerGate
)

func newExtra(cfg sequence.Config, v Variation, in Extras, seed uint64) extra {
	x := extra{sides: -1, words: -1}
	rng := rand.New(rand.NewPCG(seed, 0x7a21))
	add := func(name string, std float64, shape ...int) {
		n := 1
		for _, s := range shape {
			n *= s
		}
		t := sequence.Tensor{Name: name, Shape: shape, Data: make([]float32, n)}
		for i := range t.Data {
			t.Data[i] = float32(rng.NormFloat64() * std)
		}
		x.tensors = append(x.tensors, t)
	}
	d, root := cfg.Dim, 1/math.Sqrt(float64(cfg.Dim))
	if v.Gated {
		for l := range cfg.Layers {
			p := "block" + strconv.Itoa(l) + "."
			add(p+"gate_attention", root, d, d)
			add(p+"gate_attention_bias", 0, d)
			add(p+"gate_ff", root, d, d)
			add(p+"gate_ff_bias", 0, d)
			add(p+"up", root, d, cfg.FF)
		}
	}
	x.graph = len(x.tensors)
	if in.Sides > 0 {
		x.sides = len(x.tensors)
		add("sides", 0.02, in.Sides, d)
	}
	if in.Words != nil {
		terms := int32(0)
		for _, ws := range in.Words {
			for _, w := range ws {
				terms = max(terms, w.Term+1)
			}
		}
		x.words = len(x.tensors)
		add("words", 0.25*root, int(max(terms, 1)), d)
	}
	return x
}

// compose makes the item table of the items' own vectors and their words'.
func (l *Learner) compose() {
	d := l.weights.Config().Dim
	table, words := l.weights.Items(), l.extra.tensors[l.extra.words].Data
	copy(table, l.extra.own)
	for item, ws := range l.words {
		row := table[item*d:][:d]
		for _, w := range ws {
			for j, v := range words[int(w.Term)*d:][:d] {
				row[j] += w.Weight * v
			}
		}
	}
}

// gradients of the words' vectors follow from those of the items'.
func (l *Learner) wordGradients(items []float32) []float32 {
	d := l.weights.Config().Dim
	out := make([]float32, len(l.extra.tensors[l.extra.words].Data))
	for item, ws := range l.words {
		row := items[item*d:][:d]
		for _, w := range ws {
			for j, v := range row {
				out[int(w.Term)*d+j] += w.Weight * v
			}
		}
	}
	return out
}

// plain reports a fault where package sequence cannot compute the network.
func (l *Learner) plain() error {
	if l.vary != (Variation{}) || l.extra.sides >= 0 {
		return fmt.Errorf("variation %+v: only Train and Scores can compute it", l.vary)
	}
	return nil
}

// sideRow is the vector of a side input, nil for none.
func (l *Learner) sideRow(id int32) []float32 {
	if id == 0 || l.extra.sides < 0 {
		return nil
	}
	d := l.weights.Config().Dim
	return l.extra.tensors[l.extra.sides].Data[int(id)*d:][:d]
}
