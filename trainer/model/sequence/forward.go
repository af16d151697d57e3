package sequence

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// normEps keeps the root mean square of an empty slot away from zero; training uses the same.
const normEps = 1e-6

// known copies the newest MaxLen ids that the network has a vector for, oldest first.
func (w *Weights) known(history []int32, into []int32) []int32 {
	into = into[:0]
	start, left := len(history), w.cfg.MaxLen
	for start > 0 && left > 0 {
		start--
		if id := history[start]; id > 0 && int(id) < w.vocab {
			left--
		}
	}
	for _, id := range history[start:] {
		if id > 0 && int(id) < w.vocab {
			into = append(into, id)
		}
	}
	return into
}

// forward runs the network over s.ids and leaves in s.h the vectors to be multiplied with the item table, one row
// per position from `from` on. Rows before `from` of s.h are undefined: the last block skips them.
func (w *Weights) forward(s *scratch, from int) {
	d, n := w.cfg.Dim, len(s.ids)
	w.embed(s)
	for l := range w.cfg.Layers {
		first := 0
		if l == w.cfg.Layers-1 {
			first = from
		}
		b := w.block(l)
		if first == n-1 {
			w.attendLast(s, b, n)
		} else {
			w.attend(s, b, first, n)
		}
		normalise(s.x, s.h, d, first, n)
		product(s.h[first*d:n*d], b.ff1, s.f[first*w.cfg.FF:n*w.cfg.FF], d, w.cfg.FF, 0)
		activate(s.f[first*w.cfg.FF:n*w.cfg.FF], b.ff1b)
		product(s.f[first*w.cfg.FF:n*w.cfg.FF], b.ff2, s.x[first*d:n*d], w.cfg.FF, d, 1)
	}
	normalise(s.x, s.h, d, from, n)
	gain := w.norm()
	for i := from * d; i < n*d; i++ {
		s.h[i] *= gain[i%d]
	}
}

// embed fills the stream with scaled item vectors plus positions, the newest item at the last position.
func (w *Weights) embed(s *scratch) {
	d, n := w.cfg.Dim, len(s.ids)
	scale := EmbeddingScale(d)
	pos := w.Positions()[(w.cfg.MaxLen-n)*d:]
	for i, id := range s.ids {
		row, out := w.Items()[int(id)*d:(int(id)+1)*d], s.x[i*d:(i+1)*d]
		for j, v := range row {
			out[j] = v*scale + pos[i*d+j]
		}
	}
}

// EmbeddingScale is the factor on item vectors where they enter the network: sqrt(dim), as in SASRec, so that a
// vector of the size that suits the output is not drowned by the blocks.
func EmbeddingScale(dim int) float32 { return float32(math.Sqrt(float64(dim))) }

// attend adds causal self-attention to the stream for the positions first..n-1.
func (w *Weights) attend(s *scratch, b block, first, n int) {
	d := w.cfg.Dim
	normalise(s.x, s.h, d, 0, n)
	product(s.h[:n*d], b.k, s.k[:n*d], d, d, 0)
	product(s.h[:n*d], b.v, s.v[:n*d], d, d, 0)
	product(s.h[first*d:n*d], b.q, s.q[first*d:n*d], d, d, 0)
	head := d / w.cfg.Heads
	scale := float32(1 / math.Sqrt(float64(head)))
	for o := 0; o < d; o += head {
		for i := first; i < n; i++ {
			keys := blas32.General{Rows: i + 1, Cols: head, Stride: d, Data: s.k[o:]}
			values := blas32.General{Rows: i + 1, Cols: head, Stride: d, Data: s.v[o:]}
			p := vector(s.p[:i+1])
			blas32.Gemv(blas.NoTrans, scale, keys, vector(s.q[i*d+o:i*d+o+head]), 0, p)
			softmax(s.p[:i+1])
			blas32.Gemv(blas.Trans, 1, values, p, 0, vector(s.a[i*d+o:i*d+o+head]))
		}
	}
	product(s.a[first*d:n*d], b.o, s.x[first*d:n*d], d, d, 1)
}

// attendLast is attend for the newest position alone. One query needs no keys and no values of its own: the weights of the keys go to the query,
// q (H K)^T = (K q) H^T, and those of the values to the mean of the stream, p (H V) = (p H) V, which is a twentieth of the work at 50
// positions. Rounding apart it is the same.
func (w *Weights) attendLast(s *scratch, b block, n int) {
	d := w.cfg.Dim
	normalise(s.x, s.h, d, 0, n)
	last := (n - 1) * d
	product(s.h[last:n*d], b.q, s.q[last:n*d], d, d, 0)
	head := d / w.cfg.Heads
	scale := float32(1 / math.Sqrt(float64(head)))
	stream := blas32.General{Rows: n, Cols: d, Stride: d, Data: s.h}
	towards, mean := vector(s.k[:d]), vector(s.v[:d])
	for o := 0; o < d; o += head {
		keys := blas32.General{Rows: d, Cols: head, Stride: d, Data: b.k[o:]}
		values := blas32.General{Rows: d, Cols: head, Stride: d, Data: b.v[o:]}
		blas32.Gemv(blas.NoTrans, scale, keys, vector(s.q[last+o:last+o+head]), 0, towards)
		p := vector(s.p[:n])
		blas32.Gemv(blas.NoTrans, 1, stream, towards, 0, p)
		softmax(s.p[:n])
		blas32.Gemv(blas.Trans, 1, stream, p, 0, mean)
		blas32.Gemv(blas.Trans, 1, values, mean, 0, vector(s.a[last+o:last+o+head]))
	}
	product(s.a[last:n*d], b.o, s.x[last:n*d], d, d, 1)
}

// vector wraps a slice for blas32. Outputs must be cut to their length: with beta 0 gonum clears the whole slice.
func vector(data []float32) blas32.Vector {
	return blas32.Vector{N: len(data), Inc: 1, Data: data}
}

// product is out = beta*out + in*m for rows of in with `inner` floats and rows of out with `outer`.
func product(in, m, out []float32, inner, outer int, beta float32) {
	rows := len(in) / inner
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1,
		blas32.General{Rows: rows, Cols: inner, Stride: inner, Data: in},
		blas32.General{Rows: inner, Cols: outer, Stride: outer, Data: m}, beta,
		blas32.General{Rows: rows, Cols: outer, Stride: outer, Data: out})
}

// normalise divides each row by its root mean square.
func normalise(x, out []float32, d, first, n int) {
	for i := first; i < n; i++ {
		row, o := x[i*d:(i+1)*d], out[i*d:(i+1)*d]
		var sum float32
		for _, v := range row {
			sum += v * v
		}
		inv := 1 / float32(math.Sqrt(float64(sum/float32(d)+normEps)))
		for j, v := range row {
			o[j] = v * inv
		}
	}
}

func activate(f, bias []float32) {
	for i := 0; i < len(f); i += len(bias) {
		row := f[i : i+len(bias)]
		for j, b := range bias {
			row[j] = max(row[j]+b, 0)
		}
	}
}

func softmax(p []float32) {
	top := p[0]
	for _, v := range p {
		top = max(top, v)
	}
	var sum float32
	for i, v := range p {
		p[i] = Exp(v - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
}
