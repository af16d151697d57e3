package seqtrain

import (
	"math/rand/v2"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// blocked is what the mask adds where a slot must not look: e^blocked is 0 in float32.
const blocked = -1e9

// slot is one place of a batch.
type slot struct {
	item, position       int32 // rows of the tables; item 0 = empty
	real, easy           int32 // targets, 0 = none
	realShare, easyShare float32
	sides                [2]int32 // rows of the table of side inputs, 0 = none
}

// batch is the input of one step, laid out as the graph wants it.
type batch struct {
	shape    shape
	slots    []slot
	inputs   [][]float32 // by input number
	realSeen int         // slots with a real target
	easySeen int
	dropout  []float32 // of the stream, N x Dim, nil without dropout
	spans    [][]span  // by row: the examples in it
}

// assemble lays out rows as a batch of `size` rows (the rest empty). The weights are only read.
func (l *Learner) assemble(rows []row, size int, pass *passState, rng *rand.Rand) *batch {
	cfg := l.weights.Config()
	d, t := cfg.Dim, cfg.MaxLen
	n := size * t
	l.sampler.draw(rng)
	b := &batch{shape: shape{rows: size, negatives: len(l.sampler.ids)}, slots: make([]slot, n)}
	net := l.network()
	b.inputs = make([][]float32, inDropout+net.dropouts())
	for in, width := range map[int]int{
		inStream: d, inReal: d, inEasy: d, inRealOwn: 1, inEasyOwn: 1, inRealShare: 1, inEasyShare: 1, inRealSeen: 1, inEasySeen: 1,
	} {
		b.inputs[in] = make([]float32, n*width)
	}
	b.place(rows, l.seqs, pass, rng, t)
	if !l.engine.byHand(net) {
		b.inputs[inMask] = b.mask(t)
	}
	b.inputs[inNegatives] = make([]float32, len(l.sampler.ids)*d)
	b.inputs[inInverse] = l.sampler.weights()
	gather(b.inputs[inNegatives], l.weights.Items(), l.sampler.ids, d)
	if cfg.Dropout > 0 {
		for i := range net.dropouts() {
			b.inputs[inDropout+i] = dropoutMask(n*d, cfg.Dropout, rng)
		}
		b.dropout = dropoutMask(n*d, cfg.Dropout, rng)
	}
	b.fill(l.weights, l.sideRow, l.sampler)
	return b
}

// place writes the examples of rows into the slots.
func (b *batch) place(rows []row, seqs []sequenceOf, pass *passState, rng *rand.Rand, t int) {
	b.spans = make([][]span, len(rows))
	for r, rw := range rows {
		at := 0
		for _, e := range rw.examples {
			s := seqs[e]
			for i, id := range s.items {
				sl := slot{item: id, position: int32(t - len(s.items) + i)}
				if s.sides != nil {
					sl.sides = s.sides[i]
				}
				if s.targets[i] != 0 {
					sl.real = s.targets[i]
					pass.target(&sl, s.numbers[i], rng)
				}
				b.slots[r*t+at+i] = sl
			}
			b.spans[r] = append(b.spans[r], span{at, at + len(s.items)})
			at += len(s.items)
		}
	}
}

// mask is open for each slot to itself and to what came before it in its example, rows of t x t.
func (b *batch) mask(t int) []float32 {
	mask := make([]float32, len(b.slots)*t)
	for i := range mask {
		mask[i] = blocked
	}
	for i := range b.slots { // an empty slot looks at itself, so that its softmax stays finite
		mask[i*t+i%t] = 0
	}
	for r, spans := range b.spans {
		for _, s := range spans {
			for i := s.from; i < s.to; i++ {
				clear(mask[(r*t+i)*t+s.from:][:i-s.from])
			}
		}
	}
	return mask
}

// fill writes vectors, shares and corrections of the slots.
func (b *batch) fill(w *sequence.Weights, side func(id int32) []float32, smp *sampler) {
	d := w.Config().Dim
	scale := sequence.EmbeddingScale(d)
	for _, s := range b.slots {
		b.realSeen += min(int(s.real), 1)
		b.easySeen += min(int(s.easy), 1)
	}
	one := float32(1 / float64(max(b.realSeen, 1)))
	for i, s := range b.slots {
		if s.item == 0 {
			continue
		}
		x := b.inputs[inStream][i*d : (i+1)*d]
		e, p := w.Items()[int(s.item)*d:][:d], w.Positions()[int(s.position)*d:][:d]
		for j := range x {
			x[j] = e[j]*scale + p[j]
		}
		for _, id := range s.sides {
			for j, v := range side(id) {
				x[j] += v
			}
		}
		if b.dropout != nil {
			for j, m := range b.dropout[i*d : (i+1)*d] {
				x[j] *= m
			}
		}
		b.fillTarget(i, s.real, s.realShare*one, w, smp, inReal, inRealOwn, inRealShare, inRealSeen)
		b.fillTarget(i, s.easy, s.easyShare*one, w, smp, inEasy, inEasyOwn, inEasyShare, inEasySeen)
	}
}

// fillTarget writes one target of slot i to its four inputs.
func (b *batch) fillTarget(i int, id int32, share float32, w *sequence.Weights, smp *sampler, vector, own, shares, seen int) {
	if id == 0 {
		return
	}
	d := w.Config().Dim
	copy(b.inputs[vector][i*d:(i+1)*d], w.Items()[int(id)*d:])
	b.inputs[own][i], b.inputs[shares][i], b.inputs[seen][i] = smp.own(id), share, 1
}

// gather copies rows of a table, row 0 as zeros.
func gather(out, table []float32, ids []int32, d int) {
	for i, id := range ids {
		if id != 0 {
			copy(out[i*d:(i+1)*d], table[int(id)*d:])
		}
	}
}

// dropoutMask draws a mask of zeros and of what keeps the mean: eight values from each random word.
func dropoutMask(n int, share float64, rng *rand.Rand) []float32 {
	m := make([]float32, n)
	limit := uint64(share*256 + 0.5)
	keep := float32(256 / float64(256-limit))
	for i := 0; i < n; i += 8 {
		bits := rng.Uint64()
		for j := i; j < min(i+8, n); j++ {
			if bits&255 >= limit {
				m[j] = keep
			}
			bits >>= 8
		}
	}
	return m
}
