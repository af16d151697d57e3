package seqtrain

import (
	"math"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// farAbove is how far a target's logit may lie above all others before float32 cannot tell the loss from 0; see network.crossEntropy.
const farAbove = 80

// loss adds up the cross-entropies of the row and writes the gradients: l.dh of l.h, and by slot those of the targets' vectors.
func (l *lane) loss(b *batch, real, easy []float32) {
	d, k := l.cfg.Dim, l.negatives
	clear(l.dh[:l.n*d])
	table := matrix(b.inputs[inNegatives], k, d)
	for at := 0; at < len(l.active); at += lossTile {
		slots := l.active[at:min(at+lossTile, len(l.active))]
		for i, s := range slots {
			copy(l.hc[i*d:(i+1)*d], l.h[s*d:])
		}
		h, logits, dh := matrix(l.hc, len(slots), d), matrix(l.logits, len(slots), k), matrix(l.dhc, len(slots), d)
		product(plain, flipped, 1, h, table, 0, logits)
		clear(l.dhc[:len(slots)*d])
		for i, s := range slots {
			l.slot(b, s, l.logits[i*k:(i+1)*k], l.hc[i*d:(i+1)*d], l.dhc[i*d:(i+1)*d], real[s*d:(s+1)*d], easy[s*d:(s+1)*d])
		}
		product(plain, plain, 1, logits, table, 1, dh)
		product(flipped, plain, 1, logits, h, 1, matrix(l.gradNegatives, k, d))
		for i, s := range slots {
			copy(l.dh[s*d:(s+1)*d], l.dhc[i*d:])
		}
	}
}

// slot computes the losses of a slot of the row, turns its logits into their gradients, and writes those of its targets.
func (l *lane) slot(b *batch, s int, logits, h, dh, real, easy []float32) {
	i, d := l.at+s, l.cfg.Dim
	top, sum := exponentials(logits, b.inputs[inInverse])
	var pull float32 // of the loss on the sum
	one := func(vectors, own, share, seen int, into []float32) float64 {
		if b.inputs[seen][i] == 0 {
			return 0
		}
		target := b.inputs[vectors][i*d : (i+1)*d]
		nats, onSum, onLogit := crossEntropy(dot(h, target)-top, sum, b.inputs[own][i])
		w := b.inputs[share][i]
		pull += w * onSum
		axpy(w*onLogit, target, dh)
		axpy(w*onLogit, h, into)
		l.lossSum += float64(w) * nats
		return nats
	}
	l.realSum += one(inReal, inRealOwn, inRealShare, inRealSeen, real)
	l.easySum += one(inEasy, inEasyOwn, inEasyShare, inEasySeen, easy)
	for j := range logits {
		logits[j] *= pull
	}
}

// exponentials turns logits into u_j e^(l_j - top), top being the largest, and returns their sum too.
func exponentials(logits, inverse []float32) (top, sum float32) {
	top = logits[0]
	for _, v := range logits {
		if v > top {
			top = v
		}
	}
	inverse = inverse[:len(logits)]
	for j, v := range logits {
		e := sequence.Exp(v-top) * inverse[j]
		logits[j] = e
		sum += e
	}
	return top, sum
}

// crossEntropy is one loss, of a target whose logit is s above the largest, and its derivatives by sum and by s.
func crossEntropy(s, sum, own float32) (nats float64, onSum, onLogit float32) {
	far := s > farAbove
	if far {
		s = farAbove
	}
	e := float32(math.Exp(float64(s)))
	total := sum + e*own
	if total < e { // by rounding: the sum holds e
		return 0, 0, 0
	}
	nats = math.Log(float64(total)) - float64(s)
	if far {
		return nats, 1 / total, 0
	}
	return nats, 1 / total, e*own/total - 1
}
