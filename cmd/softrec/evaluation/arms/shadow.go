package arms

import (
	"fmt"
	"slices"
	"strings"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/eval"
)

// shadowSums is an estimate of a shadow as it grows, and the sums that it comes from.
type shadowSums struct {
	Estimate
	sums eval.OffPolicySums[uint32]
}

func newShadowSums(arm string) *shadowSums {
	return &shadowSums{Estimate: Estimate{Arm: arm, ModelVersions: []string{}}}
}

// add takes an answer to a user and the list that the shadow would have given.
func (e *shadowSums) add(user uint32, a *answer, wanted schema.Impression) {
	e.Answers++
	if !slices.Contains(e.ModelVersions, wanted.ModelVersion) && len(e.ModelVersions) < most {
		e.ModelVersions = append(e.ModelVersions, strings.Clone(wanted.ModelVersion))
	}
	e.sums.Add(user, e.places(a, wanted.Items))
}

// result is what the shadow would have brought at the places of the answers added.
func (e *shadowSums) result() Estimate {
	slices.Sort(e.ModelVersions)
	if e.Places == 0 && e.NoDraw > 0 {
		e.Refused = "no answer with a list of this arm has propensities: only answers that explore (the rule explore) can tell what another list would have brought"
		return e.Estimate
	}
	got, err := e.sums.Estimate()
	e.Matched = got.Matched
	if err != nil {
		e.Refused = err.Error()
		return e.Estimate
	}
	e.Effective = got.Effective
	if e.Effective < leastEffective {
		e.Refused = fmt.Sprintf("effective sample size of %.1f places: want at least %d", e.Effective, leastEffective)
		return e.Estimate
	}
	e.IPS, e.SNIPS, e.Logged, e.MeanWeight = interval(got.IPS), interval(got.SNIPS), interval(got.Logged), interval(got.MeanWeight)
	e.warn()
	return e.Estimate
}

// places are those of an answer that say something about a wanted list, and counts the others.
func (e *shadowSums) places(a *answer, wanted []schema.Shown) []eval.Place {
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

func (e *shadowSums) warn() {
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
