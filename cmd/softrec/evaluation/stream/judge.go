package stream

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
)

// windowEvents is the number of scored events per point of a curve.
const windowEvents = 5000

// judge keeps what one contender answered.
type judge struct {
	ranks   []float32 // by scored event
	listed  []bool    // by item: it was in a list
	lists   int
	short   int
	empty   int
	weight  float64 // earlier events of all listed items
	places  int     // of all lists
	age     float64 // summed over lists
	took    []float32
	live    *evaluation.Live // of an application, nil for others
	seconds float64          // answers and learning
}

// answered notes the list of a scored question.
func (j *judge) answered(a rival.Answer, m *memory) {
	j.lists++
	switch n := len(a.Top); {
	case n == 0:
		j.empty++
		fallthrough
	case n < evaluation.Cut:
		j.short++
	}
	for _, item := range a.Top {
		for int(item) >= len(j.listed) {
			j.listed = append(j.listed, false)
		}
		j.listed[item] = true
		j.weight += float64(m.seen(item))
	}
	j.places += len(a.Top)
	j.age += float64(a.Age)
}

// model is the figures of the contender. targets is the mean of the earlier events of the targets, items the catalogue in the end.
func (j *judge) model(cases []evaluation.Case, targets float64, items int) *evaluation.Model {
	m := &evaluation.Model{}
	m.Judge(j.ranks, cases, windowEvents)
	covered := 0
	for _, in := range j.listed {
		if in {
			covered++
		}
	}
	m.Coverage = share(float64(covered), items)
	m.PopularityBias = 0
	if targets > 0 {
		m.PopularityBias = share(j.weight, j.places) / targets
	}
	m.ShortLists, m.EmptyLists, m.AgeEvents = share(float64(j.short), j.lists), share(float64(j.empty), j.lists), share(j.age, j.lists)
	if j.live != nil {
		m.Live, m.AgeEvents = []evaluation.Live{*j.live}, j.live.Age.Mean
	}
	m.Seconds, m.LatencyP50, m.LatencyP99 = j.seconds, quantile(j.took, 0.5), quantile(j.took, 0.99)
	return m
}

func share(sum float64, of int) float64 {
	if of == 0 {
		return 0
	}
	return sum / float64(of)
}

// quantile is of durations in milliseconds.
func quantile(ms []float32, q float64) float64 {
	if len(ms) == 0 {
		return 0
	}
	sorted := slices.Clone(ms)
	slices.Sort(sorted)
	return float64(sorted[min(len(sorted)-1, int(q*float64(len(sorted))))])
}

// timed adds the time since started to the contender's and returns it.
func (j *judge) timed(started time.Time) time.Duration {
	took := time.Since(started)
	j.seconds += took.Seconds()
	return took
}

// check refuses answers that know what nobody can know yet, or that are none.
func check(name string, q rival.Question, a rival.Answer, m *memory) error {
	if len(a.Top) > evaluation.Cut {
		return fmt.Errorf("contender %s, question %d: %d items, at most %d are asked for", name, q.Number, len(a.Top), evaluation.Cut)
	}
	for i, item := range a.Top {
		switch {
		case m.seen(item) == 0:
			return &LeakError{Contender: name, Question: q.Number, Reason: fmt.Sprintf("lists item %d, which the log has not shown yet", item)}
		case q.Excluded(item):
			return fmt.Errorf("contender %s, question %d: lists item %d, which was to be left out", name, q.Number, item)
		case slices.Contains(a.Top[:i], item):
			return fmt.Errorf("contender %s, question %d: lists item %d twice", name, q.Number, item)
		}
	}
	return nil
}

// rank asks for the place of a target. One that the log has not shown yet must not have any.
func rank(name string, q rival.Question, a rival.Answer, item int32, m *memory) (float32, error) {
	r := a.Rank(item)
	switch {
	case math.IsNaN(r) || r < 1:
		return 0, fmt.Errorf("contender %s, question %d: rank %v of item %d", name, q.Number, r, item)
	case m.seen(item) == 0 && !math.IsInf(r, 1):
		return 0, &LeakError{Contender: name, Question: q.Number, Reason: fmt.Sprintf("ranks item %d at %v, which the log has not shown yet", item, r)}
	}
	return float32(r), nil
}

// LeakError says that a contender knew what it could not know.
type LeakError struct {
	Contender string
	Question  int // number of the basket
	Reason    string
}

// Error reads `leak: contender ranker, question 17: ...`.
func (e *LeakError) Error() string {
	return fmt.Sprintf("leak: contender %s, question %d: %s", e.Contender, e.Question, e.Reason)
}
