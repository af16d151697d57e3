package offline

import (
	"math"

	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/model/words"
)

// speakers make the columns of the mixture. Network, words and titles may be nil.
type speakers struct {
	counts  *sources
	network *sequence.Weights
	words   *words.Table
	titles  *titles
	use     []int // columns, in the order the mixture reads them
}

// speakersOf lists the columns that there is something to fill with.
func speakersOf(counts *sources, network *sequence.Weights, w *words.Table, t *titles) speakers {
	s := speakers{counts: counts, network: network, words: w, titles: t}
	silent := map[int]bool{colNetwork: network == nil, colWords: w == nil, colWordsLast: w == nil, colTitleBest: t == nil, colTitleMean: t == nil}
	for c := range numColumns {
		if !silent[c] {
			s.use = append(s.use, c)
		}
	}
	return s
}

func (s speakers) layout() mixer.Layout {
	l := mixer.Layout{Context: []string{"history_length", "history_popularity"}}
	for _, c := range s.use {
		l.Item = append(l.Item, columnNames[c])
	}
	return l
}

// network, words and titles of e are filled by the caller once per question, as both splits of the counts share them.
func (s speakers) fillShared(q Question, e *evidence) {
	if s.network != nil {
		logits := e.columns[colNetwork]
		s.network.Scores(q.History, logits)
		logSoftmax(logits)
	}
	if s.words != nil {
		e.wording.fill(s.words, q.History, e.columns[colWords], e.columns[colWordsLast])
	}
	if s.titles != nil {
		s.titles.fill(q.History, e.columns[colTitleBest], e.columns[colTitleMean])
	}
}

// logSoftmax makes log probabilities against the uniform one of logits; number 0 is no item.
func logSoftmax(logits []float32) {
	top := logits[1]
	for _, v := range logits[1:] {
		top = max(top, v)
	}
	sum := 0.0
	for _, v := range logits[1:] {
		sum += math.Exp(float64(v - top))
	}
	shift := float32(float64(top) + math.Log(sum) - math.Log(float64(len(logits)-1)))
	for i := range logits {
		logits[i] -= shift
	}
}
