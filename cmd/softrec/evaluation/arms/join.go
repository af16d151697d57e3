package arms

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/softrec/softrec/schema"
)

// Rules say which interactions count for an answer.
type Rules struct {
	Types  []string      // of the reward
	Window time.Duration // after the answer
}

// Outcome is an interaction and when it was written down.
type Outcome struct {
	Event schema.Event
	Time  time.Time
}

// inTime reports whether an interaction of that age counts.
func (r Rules) inTime(age time.Duration) bool { return age >= -clockError && age <= r.Window }

// answer is one logged answer with what it brought and what shadows would have shown.
type answer struct {
	impression schema.Impression
	rewards    map[string]bool // items
	shadows    []schema.Impression
}

// clockError is how far an interaction may lie before its answer, as in ingest/attribution.
const clockError = time.Minute

// join brings impressions and outcomes together, in the order of the answers' ids. Impressions that came twice count once.
func join(impressions []schema.Impression, outcomes []Outcome, r Rules) []*answer {
	by := map[string]*answer{}
	for _, im := range impressions {
		if !im.Shadow && by[im.RecommendationID] == nil {
			by[im.RecommendationID] = &answer{impression: im, rewards: map[string]bool{}}
		}
	}
	for _, im := range impressions {
		a := by[im.RecommendationID]
		if a != nil && im.Shadow {
			a.shadow(im)
		}
	}
	for _, o := range outcomes {
		a := by[o.Event.RecommendationID]
		if a == nil || !slices.Contains(r.Types, o.Event.Type) {
			continue
		}
		if r.inTime(o.Time.Sub(answered(a.impression))) {
			a.rewards[o.Event.ItemID] = true
		}
	}
	all := make([]*answer, 0, len(by))
	for _, a := range by {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *answer) int {
		if a.impression.RecommendationID < b.impression.RecommendationID {
			return -1
		}
		return 1
	})
	return all
}

// answered is when an answer was given: its id says so.
func answered(im schema.Impression) time.Time {
	if u, err := uuid.Parse(im.RecommendationID); err == nil && u.Version() == 7 {
		sec, nsec := u.Time().UnixTime()
		return time.Unix(sec, nsec)
	}
	return im.At
}

// shadow takes the list of a shadow, the first of each arm.
func (a *answer) shadow(im schema.Impression) {
	if !slices.ContainsFunc(a.shadows, func(have schema.Impression) bool { return have.Arm == im.Arm }) {
		a.shadows = append(a.shadows, im)
	}
}

// reward of an item of the answer, 0 or 1.
func (a *answer) reward(item string) float64 {
	if a.rewards[item] {
		return 1
	}
	return 0
}
