package trainer

import (
	"fmt"
	"math"

	"github.com/softrec/softrec/trainer/model/ranker"
)

// lists is what a model's lists look like, apart from whether they are right. A score says nothing about a model that is
// broken for some requests, or answers everybody alike: the guard does.
type lists struct {
	Asked  int
	Failed int
	Fault  string          // of the first list that failed
	Items  map[string]bool // in any list; at most the vocabulary
}

// wanted is how long a list of b should be: cutoff, or the whole of a smaller vocabulary.
func wanted(b *ranker.Bundle) int { return min(cutoff, b.Vocab.Len()-1) }

// add looks at one list that should hold want items.
func (l *lists) add(list []ranker.Scored, want int) {
	l.Asked++
	if l.Items == nil {
		l.Items = map[string]bool{}
	}
	for _, s := range list {
		l.Items[s.Item] = true
	}
	if fault := faultOf(list, want); fault != "" {
		if l.Failed++; l.Failed == 1 {
			l.Fault = fault
		}
	}
}

// faultOf says what is wrong with a list, "" for nothing.
func faultOf(list []ranker.Scored, want int) string {
	if len(list) < want {
		return fmt.Sprintf("%d items where %d were asked for", len(list), want)
	}
	for i, s := range list {
		if math.IsNaN(s.Score) || math.IsInf(s.Score, 0) {
			return fmt.Sprintf("score %v for item %q", s.Score, s.Item)
		}
		for _, above := range list[:i] {
			if above.Item == s.Item {
				return fmt.Sprintf("item %q twice", s.Item)
			}
		}
	}
	return ""
}

// failing says that too many lists of a model failed, "" where they did not.
func (l *lists) failing(limit float64) string {
	if l.Failed == 0 || float64(l.Failed) <= limit*float64(l.Asked) {
		return ""
	}
	return fmt.Sprintf("%d of %d lists failed (%s), at most a share of %v may", l.Failed, l.Asked, l.Fault, limit)
}

// guard says why a candidate may not go live whatever its score, "" for nothing. live is nil where there is no live model.
func guard(cfg Config, live, candidate *lists) string {
	if why := candidate.failing(cfg.GateFailures); why != "" {
		return why
	}
	if live == nil || float64(len(candidate.Items)) >= cfg.GateCoverage*float64(len(live.Items)) {
		return ""
	}
	return fmt.Sprintf("%d lists hold %d distinct items, the live model's %d: below a share of %v", candidate.Asked, len(candidate.Items), len(live.Items), cfg.GateCoverage)
}
