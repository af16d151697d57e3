package offline

import (
	"fmt"
	"math/rand/v2"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/mixer"
)

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

// heldEvery is the stride of the questions that are held out for the choice among mixtures.
const heldEvery = 5

// fitBlend chooses among the mixtures on a fifth of the questions, fitted on the rest, and fits the winner on all.
func fitBlend(s speakers, valid []Question, seed uint64) (*mixer.Mixer, []tried, error) {
	cases, held := prepare(s, valid, seed)
	start, err := mixer.Linear(s.layout(), make([]float64, len(s.use)))
	if err != nil {
		return nil, nil, err
	}
	var learn []mixer.Case
	for i, c := range cases {
		if held[i] == nil {
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
		if all = append(all, try(ch.name, m, held, valid)); all[i].ndcg > all[best].ndcg {
			best = i
		}
	}
	m, _, err := mixer.Fit(cases, choices()[best].cfg, start, seed)
	return m, all, err
}

// prepare makes the training cases of all questions and the whole slates of those held out; the other slates are nil.
func prepare(s speakers, valid []Question, seed uint64) (cases []mixer.Case, held []*candidates) {
	cases, held = make([]mixer.Case, len(valid)), make([]*candidates, len(valid))
	parallel(len(valid), func() func(int) {
		e, skip := newEvidence(s.counts.n), make([]bool, s.counts.n)
		return func(i int) {
			c := &candidates{}
			s.counts.fill(valid[i].History, e)
			s.fillShared(valid[i], e)
			s.slate(valid[i], e, skip, c)
			cases[i] = c.caseOf(valid[i], keptOthers, rand.New(rand.NewPCG(seed, uint64(i))))
			if i%heldEvery == heldEvery-1 {
				held[i] = c
			}
		}
	})
	return cases, held
}

// try scores a mixture on the slates that are there.
func try(name string, m *mixer.Mixer, held []*candidates, asked []Question) tried {
	t, n := tried{name: name}, 0
	for i, c := range held {
		if c == nil {
			continue
		}
		for _, r := range c.rank(m, asked[i]).ranks {
			t.hr, t.ndcg, n = t.hr+eval.HR(r, evaluation.Cut), t.ndcg+eval.NDCG(r, evaluation.Cut), n+1
		}
	}
	t.hr, t.ndcg = t.hr/float64(max(n, 1)), t.ndcg/float64(max(n, 1))
	return t
}
