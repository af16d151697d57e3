package sequence

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// Scores writes the score of every item as the next one after history (oldest first) to out, which has Vocab floats;
// a score is the logit of a softmax over the catalogue. Ids that the vocabulary does not hold are dropped, and only the newest
// MaxLen others are read. Without any known id the scores are all zero and the answer is false. out[0] stands for
// padding, is 0 and means nothing. It allocates nothing in the steady state and may be called concurrently.
func (w *Weights) Scores(history []int32, out []float32) bool {
	s := w.scratch.Get().(*scratch)
	defer w.scratch.Put(s)
	return w.scoresWith(s, history, out)
}

func (w *Weights) scoresWith(s *scratch, history []int32, out []float32) bool {
	s.ids = w.known(history, s.ids)
	n, d := len(s.ids), w.cfg.Dim
	if n == 0 {
		clear(out)
		return false
	}
	w.forward(s, n-1)
	blas32.Gemv(blas.NoTrans, 1,
		blas32.General{Rows: w.vocab, Cols: d, Stride: d, Data: w.Items()},
		vector(s.h[(n-1)*d:n*d]), 0, vector(out[:w.vocab]))
	out[0] = 0
	return true
}

// ScoresBatch scores many histories with `workers` goroutines and hands the scores of the i-th to visit, which
// must not keep them. visit runs concurrently, once for every history; ok is what Scores would have answered.
func (w *Weights) ScoresBatch(histories [][]int32, workers int, visit func(i int, scores []float32, ok bool)) {
	w.parallel(len(histories), workers, func(s *scratch, i int) {
		if len(s.scores) != w.vocab {
			s.scores = make([]float32, w.vocab)
		}
		ok := w.scoresWith(s, histories[i], s.scores)
		visit(i, s.scores, ok)
	})
}

// parallel runs task for 0..n-1 on `workers` goroutines and waits for them.
func (w *Weights) parallel(n, workers int, task func(s *scratch, i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(max(workers, 1), max(n, 1)) {
		wg.Go(func() {
			s := w.scratch.Get().(*scratch)
			defer w.scratch.Put(s)
			for i := int(next.Add(1) - 1); i < n; i = int(next.Add(1) - 1) {
				task(s, i)
				runtime.Gosched() // other goroutines, an answer's above all, need not wait until these are preempted
			}
		})
	}
	wg.Wait()
}

// Answer is the network's best next item at one position.
type Answer struct {
	Item       int32   // 0 where the network had nothing to say
	Confidence float32 // its softmax probability among the items it could have named, 0 to 1
}

// answer is a running top and sum of exponentials over tiles of the catalogue.
type answer struct {
	pos  int
	item int32
	top  float32
	sum  float64
}

// Answers gives the best next item after each prefix items[:i+1] for which wanted(e, i) holds, for every sequence of
// items, with `workers` goroutines; visit runs concurrently across sequences. excludeHistory forbids items of the
// prefix. Unlike Scores it wants sequences no longer than MaxLen whose ids are all known; others give empty answers.
func (w *Weights) Answers(sequences [][]int32, workers int, excludeHistory bool, wanted func(e, i int) bool, visit func(e, i int, a Answer)) {
	w.parallel(len(sequences), workers, func(s *scratch, e int) {
		items := sequences[e]
		s.ids = w.known(items, s.ids)
		if len(s.ids) != len(items) {
			for i := range items {
				if wanted(e, i) {
					visit(e, i, Answer{})
				}
			}
			return
		}
		s.rows = s.rows[:0]
		for i := range items {
			if wanted(e, i) {
				s.rows = append(s.rows, answer{pos: i, top: float32(math.Inf(-1))})
			}
		}
		if len(s.rows) == 0 {
			return
		}
		w.answer(s, excludeHistory)
		for _, r := range s.rows {
			a := Answer{Item: r.item}
			if r.sum > 0 {
				a.Confidence = float32(1 / r.sum)
			}
			visit(e, r.pos, a)
		}
	})
}

// answer fills s.rows from the sequence s.ids, tile by tile so that memory does not grow with the catalogue.
func (w *Weights) answer(s *scratch, excludeHistory bool) {
	d := w.cfg.Dim
	w.forward(s, 0)
	for i, r := range s.rows { // close up the wanted rows; pos never runs behind i
		copy(s.h[i*d:(i+1)*d], s.h[r.pos*d:(r.pos+1)*d])
	}
	if s.tile == nil {
		s.tile = make([]float32, w.cfg.MaxLen*tile)
	}
	for at := 1; at < w.vocab; at += tile {
		n := min(tile, w.vocab-at)
		for i := range s.rows {
			blas32.Gemv(blas.NoTrans, 1,
				blas32.General{Rows: n, Cols: d, Stride: d, Data: w.Items()[at*d:]},
				vector(s.h[i*d:(i+1)*d]), 0, vector(s.tile[i*n:(i+1)*n]))
		}
		for i := range s.rows {
			s.rows[i].merge(s.tile[i*n:(i+1)*n], int32(at), s.ids, excludeHistory)
		}
	}
}

// merge adds the scores of the items at, at+1, ... to the running answer.
func (r *answer) merge(scores []float32, at int32, ids []int32, excludeHistory bool) {
	if excludeHistory {
		for _, id := range ids[:r.pos+1] {
			if i := int(id - at); i >= 0 && i < len(scores) {
				scores[i] = float32(math.Inf(-1))
			}
		}
	}
	old := r.top
	for i, v := range scores {
		if v > r.top {
			r.top, r.item = v, at+int32(i)
		}
	}
	if r.item == 0 {
		return
	}
	if old < r.top {
		r.sum *= math.Exp(float64(old - r.top))
	}
	var sum float32
	for _, v := range scores {
		sum += Exp(v - r.top)
	}
	r.sum += float64(sum)
}
