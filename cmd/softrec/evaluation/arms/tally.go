package arms

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/softrec/softrec/trainer/eval"
)

// tally adds answers up, in the order of their ids. It keeps no answer: sums for each user, by arm and model version that answered
// and by shadow.
type tally struct {
	answers, rewarded int
	users             map[string]uint32 // their numbers: an id is kept once
	shown             map[version]*shownSums
	shadows           map[string]*shadowSums
}

// version is an arm with the model that it answered with.
type version struct{ arm, model string }

// shownSums are the sums of lists that users saw.
type shownSums struct {
	answers         int64
	places          int
	rewarded        float64                    // answers
	brought         float64                    // by all places
	byAnswer, byAll eval.OffPolicySums[uint32] // answers, and their places
}

func newTally() *tally {
	return &tally{users: map[string]uint32{}, shown: map[version]*shownSums{}, shadows: map[string]*shadowSums{}}
}

// add takes an answer whose rewards and shadows are complete.
func (t *tally) add(a *answer) {
	t.answers++
	if len(a.rewards) > 0 {
		t.rewarded++
	}
	user, known := t.users[a.impression.UserID]
	if !known {
		user = uint32(len(t.users))
		t.users[strings.Clone(a.impression.UserID)] = user
	}
	of := version{a.impression.Arm, a.impression.ModelVersion}
	s := t.shown[of]
	if s == nil {
		s = &shownSums{}
		t.shown[version{strings.Clone(of.arm), strings.Clone(of.model)}] = s
	}
	s.add(user, a)
	for _, wanted := range a.shadows {
		e := t.shadows[wanted.Arm]
		if e == nil {
			e = newShadowSums(strings.Clone(wanted.Arm))
			t.shadows[e.Arm] = e
		}
		e.add(user, a, wanted)
	}
}

// report is what the answers so far say, of that many interactions read.
func (t *tally) report(outcomes int) (Report, error) {
	if t.answers == 0 {
		return Report{}, errors.New("there are no impressions of users' lists: is attribution.enabled false, or serve.impressions.share 0?")
	}
	rep := Report{Answers: t.answers, Outcomes: outcomes, Rewarded: t.rewarded, Sampled: 1, Shown: []Shown{}, Shadows: []Estimate{}}
	newest := func(a, b version) int { return cmp.Or(cmp.Compare(a.arm, b.arm), cmp.Compare(b.model, a.model)) }
	for _, of := range slices.SortedFunc(maps.Keys(t.shown), newest) {
		rep.Shown = append(rep.Shown, t.shown[of].result(of))
	}
	for _, arm := range slices.Sorted(maps.Keys(t.shadows)) {
		rep.Shadows = append(rep.Shadows, t.shadows[arm].result())
	}
	return rep, nil
}

func (s *shownSums) add(user uint32, a *answer) {
	list := make([]eval.Place, len(a.impression.Items))
	got := eval.Place{Weight: 1}
	for i, it := range a.impression.Items {
		list[i] = eval.Place{Weight: 1, Reward: a.reward(it.ID)}
		got.Reward = max(got.Reward, list[i].Reward)
		s.brought += list[i].Reward
	}
	s.answers++
	s.places += len(list)
	s.rewarded += got.Reward
	s.byAnswer.Add(user, []eval.Place{got})
	s.byAll.Add(user, list)
}

func (s *shownSums) result(of version) Shown {
	out := Shown{Arm: of.arm, ModelVersion: of.model, Answers: s.answers, Places: s.places}
	// Of one user nothing follows for others.
	out.Rewarded = Interval{Value: s.rewarded / float64(s.answers), High: 1}
	out.PerPlace = Interval{Value: s.brought / float64(max(s.places, 1)), High: 1}
	if e, err := s.byAnswer.Estimate(); err == nil {
		out.Rewarded = interval(e.Logged)
	}
	if e, err := s.byAll.Estimate(); err == nil {
		out.PerPlace = interval(e.Logged)
	}
	return out
}
