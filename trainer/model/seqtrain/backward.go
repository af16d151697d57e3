package seqtrain

import (
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// backward turns l.dh, the gradient of l.h, into those of the tensors, which it adds up, and into that of the stream, which it writes.
func (l *lane) backward(stream []float32, tensors []sequence.Tensor) {
	d, ff, n := l.cfg.Dim, l.cfg.FF, l.n
	l.backGain(tensors[len(tensors)-1].Data, l.grads[len(tensors)-1])
	clear(l.dx[:n*d])
	addRootMeansBack(l.dx, l.dh, l.hn, l.inv[:n], d)
	dx := l.dx[:n*d]
	for i := len(l.blocks) - 1; i >= 0; i-- {
		t, g, b := tensors[i*tensorsPerBlock:], l.grads[i*tensorsPerBlock:], &l.blocks[i]
		dy := matrix(masked(l.tmp[0], dx, b.drop2), n, d)
		product(flipped, plain, 1, matrix(b.f, n, ff), dy, 1, matrix(g[tensorFF2], ff, d))
		df := matrix(l.df, n, ff)
		product(plain, flipped, 1, dy, matrix(t[tensorFF2].Data, ff, d), 0, df)
		rectifyBack(df.Data[:n*ff], b.f, g[tensorFF1Bias])
		product(flipped, plain, 1, matrix(b.h2, n, d), df, 1, matrix(g[tensorFF1], d, ff))
		dh := matrix(l.tmp[1], n, d)
		product(plain, flipped, 1, df, matrix(t[tensorFF1].Data, d, ff), 0, dh)
		addRootMeansBack(dx, dh.Data, b.h2, b.inv2[:n], d)

		dy = matrix(masked(l.tmp[0], dx, b.drop1), n, d)
		product(flipped, plain, 1, matrix(b.a, n, d), dy, 1, matrix(g[tensorO], d, d))
		da := matrix(l.tmp[1], n, d)
		product(plain, flipped, 1, dy, matrix(t[tensorO].Data, d, d), 0, da)
		l.backAttend(b, t, g)
	}
	copy(stream, dx)
}

// backGain takes the gradient of the gain and takes the gain out of l.dh.
func (l *lane) backGain(gain, grad []float32) {
	d := l.cfg.Dim
	for at := 0; at < l.n*d; at += d {
		dh, hn := l.dh[at:][:len(gain)], l.hn[at:][:len(gain)]
		for j, g := range gain {
			grad[j] += dh[j] * hn[j]
			dh[j] *= g
		}
	}
}

// rectifyBack keeps the gradient where relu let something through, f, and adds it up for the bias.
func rectifyBack(df, f, bias []float32) {
	for at := 0; at < len(df); at += len(bias) {
		g, v := df[at:][:len(bias)], f[at:][:len(bias)]
		for j := range bias {
			if v[j] <= 0 {
				g[j] = 0
			}
			bias[j] += g[j]
		}
	}
}

// backAttend turns the gradient of the mixed values, in l.tmp[1], into those of queries, keys and values, of their matrices, and of the
// stream before the block, which it adds to l.dx.
func (l *lane) backAttend(b *block, t []sequence.Tensor, g [][]float32) {
	d, n := l.cfg.Dim, l.n
	da, dq, dk, dv := matrix(l.tmp[1], n, d), matrix(l.tmp[0], n, d), matrix(l.tmp[2], n, d), matrix(l.tmp[3], n, d)
	clear(dk.Data[:n*d])
	clear(dv.Data[:n*d])
	l.backMix(b, da.Data, dq.Data, dk.Data, dv.Data)
	h, scale := matrix(b.h1, n, d), l.queryScale()
	product(flipped, plain, scale, h, dq, 1, matrix(g[tensorQ], d, d))
	product(flipped, plain, 1, h, dk, 1, matrix(g[tensorK], d, d))
	product(flipped, plain, 1, h, dv, 1, matrix(g[tensorV], d, d))
	dh := da // done with
	product(plain, flipped, scale, dq, matrix(t[tensorQ].Data, d, d), 0, dh)
	product(plain, flipped, 1, dk, matrix(t[tensorK].Data, d, d), 1, dh)
	product(plain, flipped, 1, dv, matrix(t[tensorV].Data, d, d), 1, dh)
	addRootMeansBack(l.dx, dh.Data, b.h1, b.inv1[:n], d)
}

// backMix is attend backwards, tile by tile.
func (l *lane) backMix(b *block, da, dq, dk, dv []float32) {
	d, t, width := l.cfg.Dim, l.cfg.MaxLen, l.cfg.Dim/l.cfg.Heads
	for h, probs := range b.p {
		cut := func(data []float32, from, rows int) blas32.General {
			return within(matrix(data, l.n, d), from, h*width, rows, width)
		}
		p := matrix(probs, l.n, t)
		for _, s := range l.spans {
			for from := s.from; from < s.to; from += tile {
				rows := min(tile, s.to-from)
				keys := from + rows - s.from
				part, dp := within(p, from, 0, rows, keys), matrix(l.dp, rows, keys)
				product(plain, flipped, 1, cut(da, from, rows), cut(b.v, s.from, keys), 0, dp)
				product(flipped, plain, 1, part, cut(da, from, rows), 1, cut(dv, s.from, keys))
				for i := range rows {
					softmaxBack(dp.Data[i*keys:][:keys], part.Data[i*t:][:keys])
				}
				product(plain, plain, 1, dp, cut(b.k, s.from, keys), 0, cut(dq, from, rows))
				product(flipped, plain, 1, dp, cut(b.q, from, rows), 1, cut(dk, s.from, keys))
			}
		}
	}
}

// softmaxBack turns the gradient of probabilities p into that of their logits, in place.
func softmaxBack(dp, p []float32) {
	mean := dot(dp, p)
	p = p[:len(dp)]
	for i, v := range dp {
		dp[i] = p[i] * (v - mean)
	}
}
