package arms

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
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
	users := slices.DeleteFunc(slices.Clone(impressions), func(im schema.Impression) bool { return im.List != schema.ListUser || im.UserID == "" })
	all := join(users, outcomes, r)
	if len(all) == 0 {
		return Report{}, errors.New("there are no impressions of users' lists: is attribution.enabled false, or serve.impressions.share 0?")
	}
	rep := Report{Answers: len(all), Outcomes: len(outcomes), Sampled: 1}
	for _, a := range all {
		if len(a.rewards) > 0 {
			rep.Rewarded++
		}
	}
	rep.Shown = shown(all)
	rep.Shadows = shadows(all)
	return rep, nil
}

func shown(all []*answer) []Shown {
	type key struct{ arm, model string }
	by := map[key][]*answer{}
	for _, a := range all {
		k := key{a.impression.Arm, a.impression.ModelVersion}
		by[k] = append(by[k], a)
	}
	out := []Shown{}
	for _, k := range slices.SortedFunc(maps.Keys(by), func(a, b key) int { return cmp.Or(cmp.Compare(a.arm, b.arm), cmp.Compare(b.model, a.model)) }) {
		s := Shown{Arm: k.arm, ModelVersion: k.model, Answers: int64(len(by[k]))}
		var users []string
		var lists, answers [][]eval.Place
		rewarded := 0.0
		for _, a := range by[k] {
			var list []eval.Place
			any := false
			for _, it := range a.impression.Items {
				w := a.reward(it.ID)
				any = any || w > 0
				list = append(list, eval.Place{Weight: 1, Reward: w})
			}
			got := eval.Place{Weight: 1}
			if any {
				got.Reward = 1
				rewarded++
			}
			answers = append(answers, []eval.Place{got})
			users, lists = append(users, a.impression.UserID), append(lists, list)
			s.Places += len(list)
		}
		s.Rewarded = Interval{Value: rewarded / float64(s.Answers), High: 1} // of one user nothing follows for others
		if e, err := eval.EstimateOffPolicy(users, answers); err == nil {
			s.Rewarded = interval(e.Logged)
		}
		if e, err := eval.EstimateOffPolicy(users, lists); err == nil {
			s.PerPlace = interval(e.Logged)
		}
		out = append(out, s)
	}
	return out
}

func shadows(all []*answer) []Estimate {
	names := map[string]bool{}
	for _, a := range all {
		for _, s := range a.shadows {
			names[s.Arm] = true
		}
	}
	out := []Estimate{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, estimate(name, all))
	}
	return out
}

// estimate is what a shadow would have brought at the places of all.
func estimate(arm string, all []*answer) Estimate {
	e := Estimate{Arm: arm, ModelVersions: []string{}}
	var users []string
	var lists [][]eval.Place
	for _, a := range all {
		i := slices.IndexFunc(a.shadows, func(s schema.Impression) bool { return s.Arm == arm })
		if i < 0 {
			continue
		}
		e.Answers++
		wanted := a.shadows[i]
		if !slices.Contains(e.ModelVersions, wanted.ModelVersion) && len(e.ModelVersions) < most {
			e.ModelVersions = append(e.ModelVersions, wanted.ModelVersion)
		}
		users, lists = append(users, a.impression.UserID), append(lists, e.places(a, wanted.Items))
	}
	slices.Sort(e.ModelVersions)
	if e.Places == 0 && e.NoDraw > 0 {
		e.Refused = "no answer with a list of this arm has propensities: only answers that explore (the rule explore) can tell what another list would have brought"
		return e
	}
	got, err := eval.EstimateOffPolicy(users, lists)
	e.Matched = got.Matched
	if err != nil {
		e.Refused = err.Error()
		return e
	}
	e.Effective = got.Effective
	if e.Effective < leastEffective {
		e.Refused = fmt.Sprintf("effective sample size of %.1f places: want at least %d", e.Effective, leastEffective)
		return e
	}
	e.IPS, e.SNIPS, e.Logged, e.MeanWeight = interval(got.IPS), interval(got.SNIPS), interval(got.Logged), interval(got.MeanWeight)
	e.warn()
	return e
}

// places are those of an answer that say something about a wanted list, and counts the others.
func (e *Estimate) places(a *answer, wanted []schema.Shown) []eval.Place {
	var list []eval.Place
	have := a.impression.Items
	for k := range min(len(have), len(wanted)) {
		same := have[k].ID == wanted[k].ID
		switch {
		case have[k].Propensity <= 0:
			e.NoDraw++
			continue
		case slices.ContainsFunc(have[:k], func(s schema.Shown) bool { return s.ID == wanted[k].ID }):
			e.Above++
			continue
		case have[k].Propensity >= 1 && !same:
			e.Unsupported++
			continue
		}
		p := eval.Place{Reward: a.reward(have[k].ID)}
		if same {
			p.Weight = 1 / have[k].Propensity
		}
		list = append(list, p)
		e.Places++
	}
	return list
}

func (e *Estimate) warn() {
	say := func(format string, args ...any) { e.Warnings = append(e.Warnings, fmt.Sprintf(format, args...)) }
	if e.NoDraw > 0 {
		say("%d places were left out because their answers did not explore", e.NoDraw)
	}
	if e.Unsupported > 0 {
		say("%d places were left out because nothing else than what they showed could stand there", e.Unsupported)
	}
	if e.Effective < fewEffective {
		say("effective sample size of %.0f places: the interval may be too narrow", e.Effective)
	}
	if e.MeanWeight.Value+2*(e.MeanWeight.High-e.MeanWeight.Value) < 1 && e.MeanWeight.Value < leastSupport { // weights are skewed
		say("mean weight %.2f, 1 is expected: some items that the arm wants could not be drawn, so IPS is too low and SNIPS speaks for the others only", e.MeanWeight.Value)
	}
}
