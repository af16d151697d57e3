package offline

import "math"

// Columns of the mixture by item. What each is, see sources.fill.
const (
	colFollows = iota
	colLast
	colLong
	colLift
	colCosine
	colTogether
	colPopular
	colNetwork
	colWords
	colWordsLast
	colTitleBest
	colTitleMean
	numColumns
)

var columnNames = [numColumns]string{
	"follows", "follows_last", "follows_long", "follows_lift", "cosine", "together", "popular", "network", "words", "words_last", "title_best", "title_mean",
}

// Rules of the tables.
var (
	windowRule = tableRule{back: 10, decay: 0.8}                           // windowed transitions, the bar
	longRule   = tableRule{back: 40, decay: 0.95, keep: 4096}              // the same over a long window
	wholeRule  = tableRule{back: 100, decay: 0.98, both: true, keep: 2048} // who had both, near each other
)

// sources are the counts over some part of a log.
type sources struct {
	n       int // items, number 0 included
	window  *table
	long    *table
	whole   *table
	popular []float32 // by item: interactions
}

func newSources(seqs []Sequence, n int) *sources {
	s := &sources{n: n, window: newTable(seqs, n, windowRule), long: newTable(seqs, n, longRule), whole: newTable(seqs, n, wholeRule), popular: make([]float32, n)}
	for _, seq := range seqs {
		for _, item := range seq.Items {
			s.popular[item]++
		}
	}
	return s
}

// evidence is what the sources say about every item after one history, before any transformation.
type evidence struct {
	columns [numColumns][]float32 // by item
	mask    []float32             // scratch of propose
	wording wording               // scratch of the words
}

func newEvidence(n int) *evidence {
	e := &evidence{}
	for c := range e.columns {
		e.columns[c] = make([]float32, n)
	}
	return e
}

// fill sets the columns of the counts for a history:
//   - follows: windowed transitions, the sum over the 10 newest items of 0.8^k row / (total + 5)
//   - follows_last: the same of the newest item alone
//   - follows_long: the same over 40 with 0.95^k
//   - follows_lift: follows with each pair over the root of the later item's popularity
//   - cosine: both ways over the root of both totals, over the 10 newest
//   - together: near each other in whole histories, over the root of both popularities, over the 100 newest
//   - popular: interactions
func (s *sources) fill(history []int32, e *evidence) {
	for c := colFollows; c <= colPopular; c++ {
		clear(e.columns[c])
	}
	s.fillWindow(history, e)
	for k := range min(len(history), longRule.back) {
		item := history[len(history)-1-k]
		w := s.long.rule.counts[k] / (s.long.total[item] + shrink)
		addRow(e.columns[colLong], s.long, item, w)
	}
	for k := range min(len(history), wholeRule.back) {
		item := history[len(history)-1-k]
		w := s.whole.rule.counts[k] / sqrt32(s.popular[item]+shrink)
		addRow(e.columns[colTogether], s.whole, item, w)
	}
	for i, p := range s.popular {
		e.columns[colTogether][i] /= sqrt32(p + shrink)
		e.columns[colPopular][i] = p
	}
}

func (s *sources) fillWindow(history []int32, e *evidence) {
	follows, last, lift, cosine := e.columns[colFollows], e.columns[colLast], e.columns[colLift], e.columns[colCosine]
	for k := range min(len(history), windowRule.back) {
		item := history[len(history)-1-k]
		w := s.window.rule.counts[k]
		addRow(follows, s.window, item, w/(s.window.total[item]+shrink))
		addRow(cosine, s.window, item, w/sqrt32(s.window.total[item]+shrink))
		if k == 0 {
			copy(last, follows)
		}
	}
	for i, p := range s.popular {
		lift[i] = follows[i] / sqrt32(p+shrink)
		cosine[i] /= sqrt32(s.window.total[i] + shrink)
	}
}

func addRow(out []float32, t *table, item int32, w float32) {
	values := t.value[item]
	for i, other := range t.items[item] {
		out[other] += w * values[i]
	}
}

// transform brings a raw figure to the scale the mixture reads.
func transform(c int, v float32) float32 {
	switch c {
	case colNetwork, colWords, colWordsLast, colTitleBest, colTitleMean:
		return v
	case colPopular:
		return float32(math.Log1p(float64(v)))
	default:
		return float32(math.Log1p(1000 * float64(v)))
	}
}
