package seqtrain

import (
	"math"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// forward runs the network over the row: l.h is what is multiplied with the item table.
func (l *lane) forward(stream []float32, tensors []sequence.Tensor) {
	d, ff, n := l.cfg.Dim, l.cfg.FF, l.n
	copy(l.x[:n*d], stream[l.at*d:])
	x, y := l.x[:n*d], matrix(l.tmp[0], n, d)
	for i := range l.blocks {
		t, b := tensors[i*tensorsPerBlock:], &l.blocks[i]
		rootMeans(x, b.h1, b.inv1[:n], d)
		h := matrix(b.h1, n, d)
		product(plain, plain, l.queryScale(), h, matrix(t[tensorQ].Data, d, d), 0, matrix(b.q, n, d))
		product(plain, plain, 1, h, matrix(t[tensorK].Data, d, d), 0, matrix(b.k, n, d))
		product(plain, plain, 1, h, matrix(t[tensorV].Data, d, d), 0, matrix(b.v, n, d))
		l.attend(b)
		product(plain, plain, 1, matrix(b.a, n, d), matrix(t[tensorO].Data, d, d), 0, y)
		addMasked(x, y.Data[:n*d], b.drop1)
		rootMeans(x, b.h2, b.inv2[:n], d)
		product(plain, plain, 1, matrix(b.h2, n, d), matrix(t[tensorFF1].Data, d, ff), 0, matrix(b.f, n, ff))
		rectify(b.f[:n*ff], t[tensorFF1Bias].Data)
		product(plain, plain, 1, matrix(b.f, n, ff), matrix(t[tensorFF2].Data, ff, d), 0, y)
		addMasked(x, y.Data[:n*d], b.drop2)
	}
	rootMeans(x, l.hn, l.inv[:n], d)
	gain := tensors[len(tensors)-1].Data
	for at := 0; at < n*d; at += d {
		row, out := l.hn[at:at+d], l.h[at:][:d]
		for j, g := range gain {
			out[j] = row[j] * g
		}
	}
}

// queryScale is one over the root of a head's width.
func (l *lane) queryScale() float32 {
	return float32(1 / math.Sqrt(float64(l.cfg.Dim/l.cfg.Heads)))
}

// attend mixes the values of each slot with those before it in its example. A tile of slots at a time looks at the keys up to its last
// slot: what lies later is not computed.
func (l *lane) attend(b *block) {
	d, t := l.cfg.Dim, l.cfg.MaxLen
	q, k, v, a := matrix(b.q, l.n, d), matrix(b.k, l.n, d), matrix(b.v, l.n, d), matrix(b.a, l.n, d)
	width := d / l.cfg.Heads
	for h, probs := range b.p {
		p := matrix(probs, l.n, t)
		for _, s := range l.spans {
			for from := s.from; from < s.to; from += tile {
				rows := min(tile, s.to-from)
				keys := from + rows - s.from
				part := within(p, from, 0, rows, keys)
				product(plain, flipped, 1, within(q, from, h*width, rows, width), within(k, s.from, h*width, keys, width), 0, part)
				for i := range rows {
					softmaxRow(part.Data[i*t:][:keys], from-s.from+i+1)
				}
				product(plain, plain, 1, part, within(v, s.from, h*width, keys, width), 0, within(a, from, h*width, rows, width))
			}
		}
	}
}

// softmaxRow makes the first n logits probabilities and the others 0.
func softmaxRow(p []float32, n int) {
	clear(p[n:])
	p = p[:n]
	top := p[0]
	for _, v := range p {
		if v > top {
			top = v
		}
	}
	var sum float32
	for i, v := range p {
		e := sequence.Exp(v - top)
		p[i] = e
		sum += e
	}
	inverse := 1 / sum
	for i := range p {
		p[i] *= inverse
	}
}

// rectify adds the bias to each row and cuts what is below 0.
func rectify(f, bias []float32) {
	for i := 0; i < len(f); i += len(bias) {
		row := f[i:][:len(bias)]
		for j, b := range bias {
			row[j] = max(row[j]+b, 0)
		}
	}
}
