package offline

import (
	"context"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/trainer/model/mixer"
)

// keep times a run and remembers it.
func (l *lab) keep(name string, seed int64, make func() []listed) {
	start := time.Now()
	l.runs[name] = append(l.runs[name], &run{seed: seed, answers: make(), seconds: time.Since(start).Seconds()})
}

// popularTie is the weight of popularity beside other counts: it decides between equal scores alone.
const popularTie = 1e-9

// plain ranks by one column of the counts or of the titles, popularity deciding between equal ones.
func (l *lab) plain(counts *sources, column int) []listed {
	s := speakersOf(counts, nil, nil, l.titles)
	out := make([]listed, len(l.split.Test))
	parallel(len(out), func() func(int) {
		e, scores := newEvidence(l.items), make([]float32, l.items)
		return func(i int) {
			q := l.split.Test[i]
			counts.fill(q.History, e)
			if column == colTitleBest {
				s.fillShared(q, e)
			}
			for k, v := range e.columns[column] {
				scores[k] = v + popularTie*counts.popular[k]
			}
			out[i].ranks = rankAll(scores, q, &out[i].top)
		}
	})
	return out
}

// alone ranks by a network.
func (l *lab) alone(ctx context.Context, t *trained, v variant) ([]listed, error) {
	out := make([]listed, len(l.split.Test))
	err := t.scores(ctx, v, l.split.Test, func(i int, scores []float32) { out[i].ranks = rankAll(scores, l.split.Test[i], &out[i].top) })
	return out, err
}

// blended fits the mixture on the validation questions and ranks by it, with the counts it was fitted with and with those that
// hold the validation items too.
func (l *lab) blended(t *trained, v variant, seed int64) error {
	start := time.Now()
	s := speakersOf(l.counts, t.weights, l.words, l.titles)
	m, attempts, err := fitBlend(s, sample(l.split.Valid, fitQuestions), uint64(seed))
	if err != nil {
		return err
	}
	for _, a := range attempts {
		l.log.Info("mixture", "seed", seed, "mixture", a.name, "hr10", a.hr, "ndcg10", a.ndcg)
	}
	before, after := l.mixed(s, m)
	seconds, name := t.seconds+time.Since(start).Seconds(), v.called(evaluation.Ranker)
	l.runs[name] = append(l.runs[name], &run{seed: seed, answers: before, seconds: seconds})
	if v.name == "" {
		l.runs[RankerValid] = append(l.runs[RankerValid], &run{seed: seed, answers: after, seconds: seconds})
	}
	return nil
}

// fitQuestions bounds the validation questions a mixture is fitted on, and so its memory.
const fitQuestions = 10000

// mixed ranks the test questions by a mixture over both counts; network and titles speak once for both.
func (l *lab) mixed(s speakers, m *mixer.Mixer) (before, after []listed) {
	n := len(l.split.Test)
	before, after = make([]listed, n), make([]listed, n)
	parallel(n, func() func(int) {
		e, skip, c := newEvidence(l.items), make([]bool, l.items), &candidates{}
		with := s
		with.counts = l.both
		return func(i int) {
			q := l.split.Test[i]
			s.fillShared(q, e)
			s.counts.fill(q.History, e)
			s.slate(q, e, skip, c)
			before[i] = c.rank(m, q)
			with.counts.fill(q.History, e)
			with.slate(q, e, skip, c)
			after[i] = c.rank(m, q)
		}
	})
	return before, after
}
