package offline

import (
	"math"
	"math/rand/v2"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/mixer"
)

// perSource is how many items each column proposes as candidates.
const perSource = 100

// Contexts of the mixture, equal for all candidates of a question.
const (
	ctxLength = iota
	ctxPopular
	numContexts
)

// candidates is the slate of a question: items and what the mixture reads about them.
type candidates struct {
	items   []int32
	columns []float32
	context [numContexts]float32
}

// slate chooses the candidates of a question from filled evidence, none of the history among them. skip must be all false and is left so.
func (s speakers) slate(q Question, e *evidence, skip []bool, into *candidates) {
	for _, item := range q.History {
		skip[item] = true
	}
	into.items = into.items[:0]
	for _, c := range s.use {
		into.items = e.propose(c, skip, into.items)
	}
	for _, list := range [][]int32{q.History, into.items} {
		for _, item := range list {
			skip[item] = false
		}
	}
	into.columns = into.columns[:0]
	for _, item := range into.items {
		for _, c := range s.use {
			into.columns = append(into.columns, transform(c, e.columns[c][item]))
		}
	}
	known := 0.0
	for _, item := range q.History {
		known += math.Log1p(float64(s.counts.popular[item]))
	}
	into.context = [numContexts]float32{float32(math.Log1p(float64(len(q.History)))), float32(known / float64(max(len(q.History), 1)))}
}

// propose appends the best items of column c that are not skipped and marks them.
func (e *evidence) propose(c int, skip []bool, dst []int32) []int32 {
	if c == colLast || c == colTitleMean { // follows and title_best propose for them
		return dst
	}
	masked := e.masked(c, skip)
	from := len(dst)
	dst = best(masked, perSource, dst)
	for _, item := range dst[from:] {
		skip[item] = true
	}
	return dst
}

func (e *evidence) masked(c int, skip []bool) []float32 {
	if e.mask == nil {
		e.mask = make([]float32, len(skip))
	}
	for i, v := range e.columns[c] {
		if e.mask[i] = v; skip[i] || i == 0 || v == 0 && c != colNetwork {
			e.mask[i] = lowest
		}
	}
	return e.mask
}

// caseOf makes a training case of a slate: the targets, and of the others at most keep, drawn by rng, each standing for those dropped.
func (c *candidates) caseOf(q Question, keep int, rng *rand.Rand) mixer.Case {
	width := len(c.columns) / max(len(c.items), 1)
	hit := make([]bool, len(c.items))
	others := 0
	out := mixer.Case{Context: append([]float32(nil), c.context[:]...)}
	for _, t := range q.Targets {
		found := false
		for i, item := range c.items {
			if item == t {
				hit[i], found = true, true
			}
		}
		if !found {
			out.Missed++
		}
	}
	for _, h := range hit {
		if !h {
			others++
		}
	}
	left := min(keep, others)
	stands := float32(others) / float32(max(left, 1))
	for i := range c.items {
		share := float32(1)
		if !hit[i] {
			if rng.IntN(others) >= left {
				others--
				continue
			}
			others, left, share = others-1, left-1, stands
		}
		target := float32(0)
		if hit[i] {
			target = 1
		}
		out.Items = append(out.Items, c.columns[i*width:(i+1)*width]...)
		out.Targets, out.Stands = append(out.Targets, target), append(out.Stands, share)
	}
	return out
}

// rank returns what a mixture says to a question about its slate. Targets that are no candidates are misses.
func (c *candidates) rank(m *mixer.Mixer, q Question) listed {
	scores := make([]float64, len(c.items))
	m.Scores(c.context[:], c.columns, scores)
	out := listed{ranks: make([]float64, len(q.Targets))}
	for i, t := range q.Targets {
		out.ranks[i] = math.Inf(1)
		for k, item := range c.items {
			if item == t {
				out.ranks[i] = eval.Rank(scores, k)
			}
		}
	}
	order := make([]float32, len(scores))
	for i, s := range scores {
		order[i] = float32(s)
	}
	for _, k := range top(order, evaluation.Cut, nil) {
		out.top = append(out.top, c.items[k])
	}
	return out
}
