package seqtrain

import "github.com/softrec/softrec/trainer/model/sequence"

// Tensors of a block, in the order of sequence.Weights.
const (
	tensorQ = iota
	tensorK
	tensorV
	tensorO
	tensorFF1
	tensorFF1Bias
	tensorFF2
	tensorsPerBlock
)

// span is one example in its row: the slots from..to-1.
type span struct{ from, to int }

// block is what the backward pass needs of one attention block's forward pass; matrices have a row for each slot.
type block struct {
	h1, q, k, v, a, h2 []float32   // Dim wide: normalised stream, queries (scaled), keys, values, mixed values, normalised stream
	f                  []float32   // FF wide, after relu
	inv1, inv2         []float32   // one over the root mean square of the stream's rows
	p                  [][]float32 // by head, MaxLen wide: attention to the slots of the same example, from its first on
	drop1, drop2       []float32   // dropout masks of the row, nil without dropout
}

// lane computes row after row and adds up losses and gradients. Its memory lasts from step to step.
type lane struct {
	cfg       sequence.Config
	negatives int

	// The row under way.
	n      int // slots in use; at is the first one's number in the batch
	at     int
	spans  []span
	blocks []block
	x, h   []float32 // the stream; what is multiplied with the item table
	hn     []float32 // h before the gain
	inv    []float32
	dx, dh []float32 // gradients of x and h
	tmp    [4][]float32
	df     []float32 // FF wide
	dp     []float32 // tile x MaxLen

	// The slots with targets, lossTile of them at a time.
	active  []int
	logits  []float32
	hc, dhc []float32

	// Sums over the rows.
	realSum, easySum, lossSum float64
	grads                     [][]float32 // by tensor from the first block on
	gradNegatives             []float32
}

// lossTile is how many slots have logits at a time: few enough for a processor's cache.
const lossTile = 32

func newLane(cfg sequence.Config, negatives int, tensors []sequence.Tensor) *lane {
	t, d := cfg.MaxLen, cfg.Dim
	floats := func(n int) []float32 { return make([]float32, n) }
	l := &lane{cfg: cfg, negatives: negatives, x: floats(t * d), h: floats(t * d), hn: floats(t * d), inv: floats(t), dx: floats(t * d), dh: floats(t * d),
		df: floats(t * cfg.FF), dp: floats(tile * t), logits: floats(lossTile * negatives), hc: floats(lossTile * d), dhc: floats(lossTile * d),
		gradNegatives: floats(negatives * d)}
	for i := range l.tmp {
		l.tmp[i] = floats(t * d)
	}
	for range cfg.Layers {
		b := block{h1: floats(t * d), q: floats(t * d), k: floats(t * d), v: floats(t * d), a: floats(t * d), h2: floats(t * d),
			f: floats(t * cfg.FF), inv1: floats(t), inv2: floats(t)}
		for range cfg.Heads {
			b.p = append(b.p, floats(t*t))
		}
		l.blocks = append(l.blocks, b)
	}
	for _, tn := range tensors {
		l.grads = append(l.grads, floats(len(tn.Data)))
	}
	return l
}

// begin forgets the sums of the last step.
func (l *lane) begin() {
	l.realSum, l.easySum, l.lossSum = 0, 0, 0
	for _, g := range l.grads {
		clear(g)
	}
	clear(l.gradNegatives)
}

// place turns to row r of b and returns how many of its slots are in use.
func (l *lane) place(b *batch, r int) int {
	l.n, l.at, l.spans = 0, r*l.cfg.MaxLen, nil
	if r < len(b.spans) {
		l.spans = b.spans[r]
	}
	if len(l.spans) == 0 {
		return 0
	}
	l.n = l.spans[len(l.spans)-1].to
	for i := range l.blocks {
		if l.cfg.Dropout > 0 {
			l.blocks[i].drop1 = b.inputs[inDropout+2*i][l.at*l.cfg.Dim:][:l.n*l.cfg.Dim]
			l.blocks[i].drop2 = b.inputs[inDropout+2*i+1][l.at*l.cfg.Dim:][:l.n*l.cfg.Dim]
		}
	}
	l.active = l.active[:0]
	for i := l.at; i < l.at+l.n; i++ {
		if b.inputs[inRealSeen][i] != 0 || b.inputs[inEasySeen][i] != 0 {
			l.active = append(l.active, i-l.at)
		}
	}
	return l.n
}

// add takes in the sums of another lane.
func (l *lane) add(o *lane) {
	l.realSum, l.easySum, l.lossSum = l.realSum+o.realSum, l.easySum+o.easySum, l.lossSum+o.lossSum
	for i, g := range o.grads {
		axpy(1, g, l.grads[i])
	}
	axpy(1, o.gradNegatives, l.gradNegatives)
}
