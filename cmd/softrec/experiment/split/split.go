package split

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// Kinds of a split.
const (
	ByTime   = "global-time-80-10-10" // one clock for all users
	LastItem = "leave-last-out"       // each user's own order; leaks along the global clock
)

// Question is one basket: what came before it, and what was in it. Its slices are shared and read only.
type Question struct {
	User    int32
	Began   time.Time `json:"At"` // first line of the basket; digests of runs name it as they did when baskets stood there
	At      time.Time `json:"-"`  // last line: where the basket stands
	Past    []int32   // all the user had before, oldest first
	Targets []int32   // at least one, distinct
}

// History returns the newest n items of the past, oldest first; 0 returns all.
func (q Question) History(n int) []int32 {
	if n == 0 {
		return q.Past
	}
	return q.Past[max(0, len(q.Past)-n):]
}

// Split is a log cut into three parts. Questions have at least one item in their past.
type Split struct {
	Kind       string
	Train      []Question // by the beginning of the baskets; by user where there is no clock
	Valid      []Question
	Test       []Question
	ValidFrom  time.Time // the first basket of that part; zero without a clock
	TestFrom   time.Time
	FilterSeen bool // what a user had is never asked for: such targets are left out of all parts
	Repeats    int  // lines of the training part that brought an item its user had before
}

// How to treat items that a user had before, in Cut.
const (
	FilterAuto = "auto" // filter where no user of the training part repeats an item
	FilterOn   = "true"
	FilterOff  = "false"
)

// Cut splits log. filter is FilterAuto, FilterOn or FilterOff. Where the cuts lie depends on the times alone, and no
// question on anything at or after its own time.
func Cut(log *Log, filter string) (*Split, error) {
	var s *Split
	if log.Clock {
		s = byTime(log)
	} else {
		s = lastItem(log)
	}
	s.Repeats = repeats(s.Train)
	s.FilterSeen = filter == FilterOn || filter == FilterAuto && s.Repeats == 0
	if s.FilterSeen {
		s.Train, s.Valid, s.Test = unseen(s.Train), unseen(s.Valid), unseen(s.Test)
	}
	if len(s.Train) == 0 || len(s.Valid) == 0 || len(s.Test) == 0 {
		return nil, errors.New("the log is too short: a part of it has no basket with anything before it")
	}
	return s, nil
}

// questions makes one of every basket, in the order of the baskets, also of those without a past.
func questions(log *Log) []Question {
	total := make([]int, len(log.Users))
	for _, b := range log.Baskets {
		total[b.User] += len(b.Items)
	}
	past := make([][]int32, len(log.Users))
	for u, n := range total {
		past[u] = make([]int32, 0, n)
	}
	out := make([]Question, len(log.Baskets))
	for i, b := range log.Baskets {
		before := past[b.User]
		out[i] = Question{User: b.User, Began: b.Began, At: b.At, Past: before[:len(before):len(before)], Targets: b.Items}
		past[b.User] = append(before, b.Items...)
	}
	return out
}

// byTime cuts where the 80th and the 90th per cent of the lines have happened.
func byTime(log *Log) *Split {
	s := &Split{Kind: ByTime, ValidFrom: timeOfLine(log, log.Lines*8/10), TestFrom: timeOfLine(log, log.Lines*9/10)}
	for _, q := range questions(log) {
		switch {
		case len(q.Past) == 0:
		case q.At.Before(s.ValidFrom):
			s.Train = append(s.Train, q)
		case q.At.Before(s.TestFrom):
			s.Valid = append(s.Valid, q)
		default:
			s.Test = append(s.Test, q)
		}
	}
	for _, part := range [][]Question{s.Train, s.Valid, s.Test} {
		byBeginning(part)
	}
	return s
}

// byBeginning lists questions by when their baskets began, where that keeps the order of every user's own. Samples are drawn by place in the list, so
// that runs of before baskets stood at their last line, which mostly is a minute later, can be taken up.
func byBeginning(qs []Question) {
	listed := slices.Clone(qs)
	slices.SortStableFunc(listed, func(a, b Question) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.User, b.User)) })
	last := map[int32]time.Time{}
	for _, q := range listed {
		if q.At.Before(last[q.User]) {
			return
		}
		last[q.User] = q.At
	}
	copy(qs, listed)
}

// timeOfLine is the time of the n-th line, counted from 0 along the clock.
func timeOfLine(log *Log, n int) time.Time {
	for _, b := range log.Baskets {
		if n < b.Lines {
			return b.At
		}
		n -= b.Lines
	}
	return time.Time{}
}

// lastItem takes each user's last basket as the test and the last but one as the validation, where three are there.
func lastItem(log *Log) *Split {
	byUser := make([][]Question, len(log.Users))
	for _, q := range questions(log) {
		byUser[q.User] = append(byUser[q.User], q)
	}
	s := &Split{Kind: LastItem}
	for _, own := range byUser {
		n := len(own)
		if n >= 3 {
			s.Valid, s.Test = append(s.Valid, own[n-2]), append(s.Test, own[n-1])
			n -= 2
		}
		s.Train = append(s.Train, own[1:n]...) // the first has no past
	}
	return s
}

func repeats(train []Question) int {
	n := 0
	for _, q := range train {
		for _, t := range q.Targets {
			if slices.Contains(q.Past, t) {
				n++
			}
		}
	}
	return n
}

// unseen drops targets their user had before, and questions that lose all.
func unseen(qs []Question) []Question {
	var out []Question
	for _, q := range qs {
		fresh := make([]int32, 0, len(q.Targets))
		for _, t := range q.Targets {
			if !slices.Contains(q.Past, t) {
				fresh = append(fresh, t)
			}
		}
		if q.Targets = fresh; len(fresh) > 0 {
			out = append(out, q)
		}
	}
	return out
}
