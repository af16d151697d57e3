package offline

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// leak is the first note of every result.
const leak = "LEAKS ALONG THE GLOBAL CLOCK: leave-last-out lets every model learn what other users did after the moment it is asked about. " +
	"The figures stand beside those of papers; they do not say how good a live recommender is. softrec eval stream does"

func (l *lab) result(data *Log) (*evaluation.Result, error) {
	r := &evaluation.Result{Protocol: Protocol, Mode: "leave-last-out", Models: map[string]*evaluation.Model{}, Notes: append([]string{leak}, l.facts()...)}
	cases := l.cases()
	r.Events = len(cases)
	r.Data = evaluation.Data{
		Interactions: filepath.Base(l.o.Interactions), Users: len(data.Users), Items: len(data.Items) - 1, Questions: len(l.split.Test), FilterSeen: true,
		UnseenShare: l.unseen(),
	}
	for _, rows := range data.Rows {
		r.Data.Lines += len(rows)
	}
	sides := map[string]evaluation.Side{}
	for name, runs := range l.runs {
		var models []*evaluation.Model
		var seeds []int64
		side := evaluation.Side{Name: name}
		for _, run := range runs {
			m, ranks := l.model(run, cases)
			models, seeds, side.Ranks = append(models, m), append(seeds, run.seed), append(side.Ranks, ranks)
		}
		if sides[name] = side; seeds[0] == 0 {
			r.Models[name] = models[0]
			continue
		}
		r.Models[name] = evaluation.Mean(models, seeds)
	}
	return r, l.compare(r, sides, cases)
}

// pairs are the comparisons worth making: new against old.
var pairs = [][2]string{
	{evaluation.Ranker, evaluation.Transitions}, {RankerValid, TransitionsValid}, {evaluation.Ranker, evaluation.Sequence},
	{evaluation.Sequence, evaluation.Transitions}, {evaluation.SOFT, evaluation.SFT},
}

func (l *lab) compare(r *evaluation.Result, sides map[string]evaluation.Side, cases []evaluation.Case) error {
	all := slices.Clone(pairs)
	for _, name := range r.Order() {
		if old := basis(name); old != "" {
			all = append(all, [2]string{name, old})
		}
	}
	for _, p := range all {
		newer, one := sides[p[0]]
		older, other := sides[p[1]]
		if !one || !other {
			continue
		}
		c, err := evaluation.Compare(newer, older, cases, evaluation.All, l.o.Draws, 1)
		if err != nil {
			return err
		}
		r.Comparisons = append(r.Comparisons, c)
	}
	return nil
}

// cases says of each target of the test which groups it is in.
func (l *lab) cases() []evaluation.Case {
	var out []evaluation.Case
	for _, q := range l.split.Test {
		for _, t := range q.Targets {
			out = append(out, evaluation.Case{User: q.User, Cold: l.counts.popular[t] < evaluation.ColdBelow})
		}
	}
	return out
}

// unseen is the share of targets that the training part does not hold.
func (l *lab) unseen() float64 {
	n, all := 0, 0
	for _, q := range l.split.Test {
		for _, t := range q.Targets {
			if all++; l.counts.popular[t] == 0 {
				n++
			}
		}
	}
	return float64(n) / float64(max(all, 1))
}

// model sums up one run.
func (l *lab) model(r *run, cases []evaluation.Case) (*evaluation.Model, []float32) {
	m := &evaluation.Model{Times: evaluation.Times{Seconds: r.seconds}}
	ranks := make([]float32, 0, len(cases))
	shown := make([]bool, l.items)
	distinct, short, empty, slots, targets := 0, 0, 0, 0, 0
	listedEvents, targetEvents := 0.0, 0.0
	for i, a := range r.answers {
		for k, rank := range a.ranks {
			ranks = append(ranks, float32(rank))
			targetEvents += float64(l.counts.popular[l.split.Test[i].Targets[k]])
			targets++
		}
		for _, item := range a.top {
			if !shown[item] {
				shown[item] = true
				distinct++
			}
			listedEvents += float64(l.counts.popular[item])
			slots++
		}
		if len(a.top) < evaluation.Cut {
			short++
		}
		if len(a.top) == 0 {
			empty++
		}
	}
	m.Judge(ranks, cases, 0)
	n := float64(max(len(r.answers), 1))
	m.Coverage, m.ShortLists, m.EmptyLists = float64(distinct)/float64(max(l.items-1, 1)), float64(short)/n, float64(empty)/n
	if slots > 0 && targetEvents > 0 {
		m.PopularityBias = listedEvents / float64(slots) / (targetEvents / float64(targets))
	}
	return m, ranks
}

// facts are the notes on how the figures came about.
func (l *lab) facts() []string {
	notes := []string{
		"each user's last item is the test, the last but one the validation; ranks over all items less the user's history, ties in the middle",
		"popularity, transitions and ranker count the training part alone; " + TransitionsValid + " and " + RankerValid + " count the validation items too, as a live system would",
		"everything that was chosen, the epoch of a network and the mixture of the ranker, was chosen on the validation part",
	}
	if l.split.Given {
		notes[0] = "train, valid and test are those of the log's column split; users without a valid row stay out of the test; " + notes[0][len("each user's last item is the test, the last but one the validation; "):]
	}
	if l.split.Repeats > 0 {
		notes = append(notes, fmt.Sprintf("%d rows repeat an item of their user and were left out, as such an item is never asked for here", l.split.Repeats))
	}
	if l.split.Untested > 0 {
		notes = append(notes, fmt.Sprintf("%d users stay out of the test: too few baskets, or no valid row", l.split.Untested))
	}
	if l.kit != nil {
		notes = append(notes, fmt.Sprintf("backend %s on %d processors; network %+v, batch %d, learning rate %g", l.kit.Backend, runtime.GOMAXPROCS(0), l.o.Network.Shape, l.o.Network.Train.Batch, l.o.Network.Train.LearningRate))
	}
	return slices.Concat(notes, l.notes)
}
