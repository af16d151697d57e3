package arms

import (
	"slices"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/eval"
)

// Report is the comparison of arms.
type Report struct {
	Answers  int        `json:"answers"`  // that were logged
	Outcomes int        `json:"outcomes"` // interactions read
	Rewarded int        `json:"rewarded"` // answers with at least one reward
	Sampled  float64    `json:"sampled"`  // share of the answers that were read: below 1 where there were more than memory was given for
	Shown    []Shown    `json:"shown"`    // arms whose lists were seen
	Shadows  []Estimate `json:"shadows"`  // arms whose lists were not

	Whole string `json:"whole,omitempty"` // where a file is not ordered by time: it had to be read as a whole
}

// Shown is what the lists of an arm brought that users saw.
type Shown struct {
	Arm          string   `json:"arm"`
	ModelVersion string   `json:"model_version"`
	Answers      int64    `json:"answers"`
	Rewarded     Interval `json:"rewarded"` // share of the answers with a reward, users as units
	Places       int      `json:"places"`
	PerPlace     Interval `json:"per_place"` // rewards per place, users as units
}

// Estimate is what a shadow would have brought.
type Estimate struct {
	Arm           string   `json:"arm"`
	ModelVersions []string `json:"model_versions"`
	Answers       int      `json:"answers"` // with a list of the shadow

	Places      int `json:"places"`      // that could be used
	Matched     int `json:"matched"`     // where the answer showed the wanted item
	NoDraw      int `json:"no_draw"`     // left out: the answer did not explore, so no propensity was logged
	Above       int `json:"above"`       // left out: the wanted item stands above already
	Unsupported int `json:"unsupported"` // left out: the place was fixed, by a pin for example, and has another item

	IPS        Interval `json:"ips"`    // rewards per place, inverse propensities
	SNIPS      Interval `json:"snips"`  // the same, self-normalised
	Logged     Interval `json:"logged"` // what the answers brought at the same places
	MeanWeight Interval `json:"mean_weight"`
	Effective  float64  `json:"effective"` // effective sample size in places

	Refused  string   `json:"refused,omitempty"` // why there is no estimate
	Warnings []string `json:"warnings,omitempty"`
}

// Interval is an estimate with its 95 % interval.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

func interval(i eval.Interval) Interval { return Interval{i.Value, i.Low, i.High} }

// Bounds below which an estimate is refused, or warned of.
const (
	leastEffective = 10  // places: fewer say nothing
	fewEffective   = 100 // places: the interval leans on the normal distribution
	leastSupport   = 0.9 // mean weight: below it, if it is no accident, wanted items could not be drawn
	most           = 1000
)

// Compare joins what was logged and compares the arms. Only lists that belong to a user count.
func Compare(impressions []schema.Impression, outcomes []Outcome, r Rules) (Report, error) {
	users := slices.DeleteFunc(slices.Clone(impressions), func(im schema.Impression) bool { return !ofUser(im) })
	t := newTally()
	for _, a := range join(users, outcomes, r) {
		t.add(a)
	}
	return t.report(len(outcomes))
}

// ofUser reports whether an impression is of a list that belongs to a user.
func ofUser(im schema.Impression) bool { return im.List == schema.ListUser && im.UserID != "" }
