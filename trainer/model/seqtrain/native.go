package seqtrain

import (
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/trainer/model/backseat"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// lanes is how many parts the rows of a batch are dealt into. Each part adds up gradients of its own, and the parts are added up in
// their order: the sums then have the same bits on any number of goroutines. It is also the most goroutines that a step can use.
const lanes = 8

// native computes training steps without gomlx, for machines without a tensor compiler: the same numbers as network.step, but only
// where there is something to compute (no empty slots, no look at other examples, no logits where nothing is to be predicted), with
// gonum's products, whose inner loops are assembly. It is for one goroutine at a time and starts its own inside a step.
type native struct {
	workers int
	parts   [lanes]*lane

	stream, real, easy []float32 // gradients by slot
}

// step computes what network.step does and hands the same outputs to read, by number; read must not keep them.
func (n *native) step(cfg sequence.Config, b *batch, tensors []sequence.Tensor, read func(out int, data []float32)) error {
	size := b.shape.rows * cfg.MaxLen * cfg.Dim
	n.stream, n.real, n.easy = zeroed(n.stream, size), zeroed(n.real, size), zeroed(n.easy, size)
	var next atomic.Int64
	work := func() error {
		for p := int(next.Add(1)) - 1; p < lanes; p = int(next.Add(1)) - 1 {
			n.part(p, cfg, b, tensors)
		}
		return nil
	}
	var workers errgroup.Group
	for range min(n.workers, lanes, b.shape.rows) {
		workers.Go(func() (err error) { backseat.Run(func() { err = protect(work) }); return err })
	}
	if err := workers.Wait(); err != nil {
		return err
	}
	n.deliver(cfg, read)
	return nil
}

// part computes the rows of one lane.
func (n *native) part(p int, cfg sequence.Config, b *batch, tensors []sequence.Tensor) {
	if n.parts[p] == nil || n.parts[p].cfg != cfg || n.parts[p].negatives != b.shape.negatives {
		n.parts[p] = newLane(cfg, b.shape.negatives, tensors)
	}
	l := n.parts[p]
	l.begin()
	for r := p; r < b.shape.rows; r += lanes {
		at := r * cfg.MaxLen
		if l.place(b, r) == 0 {
			continue
		}
		part := func(all []float32) []float32 { return all[at*cfg.Dim:][:l.n*cfg.Dim] }
		l.forward(b.inputs[inStream], tensors)
		l.loss(b, part(n.real), part(n.easy))
		l.backward(part(n.stream), tensors)
		runtime.Gosched() // a row takes a millisecond or so: an answer that came due meanwhile goes first
	}
}

// deliver adds the lanes up and hands everything over.
func (n *native) deliver(cfg sequence.Config, read func(out int, data []float32)) {
	total := n.parts[0]
	for _, l := range n.parts[1:] {
		total.add(l)
	}
	read(outReal, []float32{float32(total.realSum)})
	read(outEasy, []float32{float32(total.easySum)})
	read(outLoss, []float32{float32(total.lossSum)})
	read(gradStream, n.stream)
	read(gradNegatives, total.gradNegatives)
	read(gradReal, n.real)
	read(gradEasy, n.easy)
	for i, g := range total.grads {
		read(gradTensors+i, g)
	}
}

// zeroed returns a slice of n zeros, in the memory of s where that is enough.
func zeroed(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	s = s[:n]
	clear(s)
	return s
}
