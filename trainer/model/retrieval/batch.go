package retrieval

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/lora"
)

// batch is the input of one run of the graph, on the host.
type batch struct {
	rows    int // the size, at least len(prompts)
	columns int // targets per row
	prompts []int
	texts   [][]int32
	seed    int32
	sample  []int32 // items of a sampled softmax; nil = the whole catalogue

	targets []int32   // rows x columns: the real one first
	shares  []float32 // rows x columns: weights in the loss
	parts   []float32 // rows x columns: weights in the reported losses, of the easy targets
	bias    []float32 // of a sample: rows x len(sample)
	places  []int32   // whole catalogue: rows x masked x 2
	history []float32 // whole catalogue: rows x masked
}

// different are the rows of a past, each once and rising.
func different(past []int32) []int32 {
	out := slices.Clone(past)
	slices.Sort(out)
	return slices.Compact(out)
}

// sample draws the items of a sampled softmax, rising; nil where the whole catalogue is used.
func (l *Learner) sample(rng *rand.Rand) []int32 {
	n := l.engine.cfg.Negatives
	if n == 0 || n >= len(l.rankable) {
		return nil
	}
	chosen := make(map[int32]bool, n) // Floyd's algorithm: n draws without repeats
	for top := len(l.rankable) - n; top < len(l.rankable); top++ {
		item := l.rankable[rng.IntN(top+1)]
		if chosen[item] {
			item = l.rankable[top]
		}
		chosen[item] = true
	}
	out := make([]int32, 0, n)
	for item := range chosen {
		out = append(out, item)
	}
	slices.Sort(out)
	return out
}

// layOut makes the batch of some prompts; whole is the number of prompts of the update they belong to.
func (l *Learner) layOut(prompts []int, whole int, pass *passState, sample []int32, rng *rand.Rand) *batch {
	b := &batch{
		rows: rowsOf(len(prompts), l.engine.cfg.micro()), columns: 1 + l.engine.cfg.Answers, prompts: prompts,
		seed: int32(rng.Uint32() >> 1), sample: sample,
	}
	b.targets = make([]int32, b.rows*b.columns)
	b.shares, b.parts = make([]float32, b.rows*b.columns), make([]float32, b.rows*b.columns)
	for r := range b.rows {
		// An empty row reads another text again, so that its numbers stay harmless; its shares are 0.
		b.texts = append(b.texts, l.texts[prompts[r%len(prompts)]])
	}
	for r, n := range prompts {
		b.place(r, l.prompts[n].Target, n, 1/float32(whole), pass, rng)
	}
	if sample != nil {
		l.maskSample(b)
	} else {
		l.maskHistory(b)
	}
	return b
}

// place writes the targets of one row.
func (b *batch) place(r int, target int32, prompt int, one float32, pass *passState, rng *rand.Rand) {
	at := r * b.columns
	real, easy := pass.shares(prompt, rng)
	b.targets[at], b.shares[at] = target, real*one
	if pass.easy == nil {
		return
	}
	for k, item := range pass.easy.items[prompt] {
		w := pass.easy.weights[prompt][k]
		b.targets[at+1+k], b.shares[at+1+k], b.parts[at+1+k] = item, easy*one*w, w
	}
}

// isTarget reports whether an item is a target of a row, which its own past must not mask.
func (b *batch) isTarget(r int, item int32) bool {
	at := r * b.columns
	if b.targets[at] == item {
		return true
	}
	for k := 1; k < b.columns; k++ {
		if b.parts[at+k] > 0 && b.targets[at+k] == item {
			return true
		}
	}
	return false
}

// maskHistory lists all that the users had for the softmax over the whole catalogue: what answers and rankings leave out, shown or not.
func (l *Learner) maskHistory(b *batch) {
	b.places, b.history = make([]int32, b.rows*l.masked*2), make([]float32, b.rows*l.masked)
	for r := range b.rows {
		for k := range l.masked {
			b.places[(r*l.masked+k)*2] = int32(r)
		}
	}
	if !l.mask {
		return
	}
	for r, n := range b.prompts {
		for k, item := range different(l.prompts[n].Past()) {
			if !b.isTarget(r, item) {
				b.places[(r*l.masked+k)*2+1], b.history[r*l.masked+k] = item, leftOut
			}
		}
	}
}

// maskSample weighs the sample up to the whole catalogue and leaves out, row by row, targets and all that the user had.
func (l *Learner) maskSample(b *batch) {
	n := len(b.sample)
	b.bias = make([]float32, b.rows*n)
	up := float32(math.Log(float64(len(l.rankable)) / float64(n)))
	for i := range b.bias {
		b.bias[i] = up
	}
	drop := func(r int, item int32) {
		if at, ok := slices.BinarySearch(b.sample, item); ok {
			b.bias[r*n+at] = leftOut
		}
	}
	for r, p := range b.prompts {
		for k := range b.columns {
			if k == 0 || b.parts[r*b.columns+k] > 0 {
				drop(r, b.targets[r*b.columns+k])
			}
		}
		if l.mask {
			for _, item := range l.prompts[p].Past() {
				drop(r, item)
			}
		}
	}
}

// inputs makes the graph's inputs; own are those to be freed after the run.
func (l *Learner) inputs(b *batch, length int, head *lora.Adapter) (in, own []*tensors.Tensor) {
	ids, mask := l.engine.enc.Pad(b.texts, b.rows, length)
	in = make([]*tensors.Tensor, inHead)
	in[inIDs], in[inMask], in[inSeed], in[inTable] = ids, mask, tensors.FromScalar(b.seed), l.table.device
	in[inTargets] = tensors.FromFlatDataAndDimensions(b.targets, b.rows, b.columns)
	in[inShares] = tensors.FromFlatDataAndDimensions(b.shares, b.rows, b.columns)
	own = append(own, ids, mask, in[inSeed], in[inTargets], in[inShares])
	if b.sample != nil {
		in[inBias] = tensors.FromFlatDataAndDimensions(b.bias, b.rows, len(b.sample))
		in[inCandidates] = tensors.FromFlatDataAndDimensions(b.sample, len(b.sample))
		in[inHistory] = tensors.FromFlatDataAndDimensions([]float32{0}, 1)
		own = append(own, in[inBias])
	} else {
		in[inBias] = l.table.bias
		in[inCandidates] = tensors.FromFlatDataAndDimensions(b.places, b.rows*l.masked, 2)
		in[inHistory] = tensors.FromFlatDataAndDimensions(b.history, b.rows*l.masked)
	}
	own = append(own, in[inCandidates], in[inHistory])
	if head != nil {
		for i, t := range head.Flat() {
			s := head.Shapes()[i]
			in = append(in, tensors.FromFlatDataAndDimensions(t, s[0], s[1]))
		}
		own = append(own, in[inHead:]...)
	}
	return in, own
}

// losses adds up the cross-entropies of a run, rows x columns.
func (b *batch) losses(values []float32) sums {
	var s sums
	for r := range b.prompts {
		at := r * b.columns
		s.real += float64(values[at])
		s.realSeen++
		seen := 0
		for k := 1; k < b.columns; k++ {
			if w := b.parts[at+k]; w > 0 {
				s.easy += float64(w) * float64(values[at+k])
				seen = 1
			}
		}
		s.easySeen += seen
	}
	return s
}
