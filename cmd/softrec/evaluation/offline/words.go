package offline

import (
	"math"

	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/words"
)

// wordsBack is how many of the newest items of a history speak by the words of their titles, and wordsFade what each weighs
// against the one after it, as in the ranker.
const (
	wordsBack = 40
	wordsFade = 0.85
)

// wording is the memory of a question.
type wording struct {
	newest  []int32
	like    counts.Sparse
	scratch words.Scratch
}

// fill writes the cosine of each title's words with those of the newest items of a history, and with those of the newest one.
func (w *wording) fill(t *words.Table, history []int32, all, last []float32) {
	w.newest = w.newest[:0]
	for k := range min(len(history), wordsBack) {
		w.newest = append(w.newest, history[len(history)-1-k])
	}
	w.write(t, w.newest, all)
	w.write(t, w.newest[:min(len(w.newest), 1)], last)
}

func (w *wording) write(t *words.Table, newest []int32, out []float32) {
	clear(out)
	w.like.Reset(t.Len())
	t.Like(newest, func(k int) float32 { return float32(math.Pow(wordsFade, float64(k))) }, &w.scratch, &w.like)
	for _, item := range w.like.Touched {
		out[item] = w.like.Values[item]
	}
}
