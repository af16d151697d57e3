package offline

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/sequence"
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

// speakers make the columns of the mixture. Network and titles may be nil.
type speakers struct {
	counts  *sources
	network *sequence.Weights
	titles  *titles
	use     []int // columns, in the order the mixture reads them
}

// speakersOf lists the columns that there is something to fill with.
func speakersOf(counts *sources, network *sequence.Weights, t *titles) speakers {
	s := speakers{counts: counts, network: network, titles: t}
	for c := range numColumns {
		if (c != colNetwork || network != nil) && (c != colTitleBest && c != colTitleMean || t != nil) {
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

// network and titles of e are filled by the caller once per question, as both splits of the counts share them.
func (s speakers) fillShared(q Question, e *evidence) {
	if s.network != nil {
		logits := e.columns[colNetwork]
		s.network.Scores(q.History, logits)
		logSoftmax(logits)
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
	for _, k := range top(order, 10, nil) {
		out.top = append(out.top, c.items[k])
	}
	return out
}

// choice is one way to fit a mixture, tried on held-out validation users.
type choice struct {
	name string
	cfg  mixer.Config
}

// choices are the mixtures that compete. Which wins depends on how much validation there is and on the log.
func choices() []choice {
	base := mixer.DefaultConfig()
	base.Pull, base.Batch, base.Epochs = 0.0001, 32, 8
	var out []choice
	for _, c := range []struct {
		name            string
		hidden, hidden2 int
	}{{"linear", 0, 0}, {"hidden-16", 16, 0}, {"hidden-32", 32, 0}, {"hidden-48-24", 48, 24}} {
		cfg := base
		cfg.Hidden, cfg.Hidden2 = c.hidden, c.hidden2
		out = append(out, choice{c.name, cfg})
	}
	return out
}

// keptOthers is how many candidates besides the targets a training case keeps.
const keptOthers = 150

// tried says how a choice did on the held-out validation users.
type tried struct {
	name     string
	hr, ndcg float64
}

// fitBlend chooses among the mixtures on a fifth of the questions, fitted on the rest, and fits the winner on all.
func fitBlend(s speakers, valid []Question, seed uint64) (*mixer.Mixer, []tried, error) {
	cases := make([]mixer.Case, len(valid))
	held := make([]*candidates, len(valid))
	parallel(len(valid), func() func(int) {
		e, skip := newEvidence(s.counts.n), make([]bool, s.counts.n)
		return func(i int) {
			c := &candidates{}
			s.counts.fill(valid[i].History, e)
			s.fillShared(valid[i], e)
			s.slate(valid[i], e, skip, c)
			cases[i] = c.caseOf(valid[i], keptOthers, rand.New(rand.NewPCG(seed, uint64(i))))
			if i%5 == 4 {
				held[i] = c
			}
		}
	})
	start, err := mixer.Linear(s.layout(), make([]float64, len(s.use)))
	if err != nil {
		return nil, nil, err
	}
	var learn []mixer.Case
	for i, c := range cases {
		if i%5 != 4 {
			learn = append(learn, c)
		}
	}
	var all []tried
	best := 0
	for i, ch := range choices() {
		m, _, err := mixer.Fit(learn, ch.cfg, start, seed)
		if err != nil {
			return nil, nil, fmt.Errorf("mixture %s: %w", ch.name, err)
		}
		t := tried{name: ch.name}
		n := 0
		for k, c := range held {
			if c == nil {
				continue
			}
			for _, r := range c.rank(m, valid[k]).ranks {
				t.hr, t.ndcg, n = t.hr+eval.HR(r, 10), t.ndcg+eval.NDCG(r, 10), n+1
			}
		}
		t.hr, t.ndcg = t.hr/float64(max(n, 1)), t.ndcg/float64(max(n, 1))
		if all = append(all, t); t.ndcg > all[best].ndcg {
			best = i
		}
	}
	m, _, err := mixer.Fit(cases, choices()[best].cfg, start, seed)
	return m, all, err
}
