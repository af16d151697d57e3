package eval

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Place is one place of a logged list, seen from another policy that would have put a certain item there.
type Place struct {
	Weight float64 // 1 over the logged item's propensity where it is that very item, else 0
	Reward float64 // what the logged item brought: 0 or 1, or what lies between
}

// OffPolicy estimates what a policy would have brought per place, from lists that another one drew with known propensities.
type OffPolicy struct {
	Places, Matched, Users int // Matched: places where both policies have the same item

	IPS    Interval // inverse-propensity estimate: the sum of weighted rewards over all places. Unbiased
	SNIPS  Interval // self-normalised: over the sum of weights. Biased a little for few places, and far less variable
	Logged Interval // what the logging policy brought at the same places

	MeanWeight Interval // 1 in expectation where every item the policy wants could have been drawn: below it, support is missing
	Effective  float64  // places of equal weight that would say as much: (sum w)^2 / sum w^2
	MaxWeight  float64
}

// OffPolicySums is what an estimate needs of the lists so far: a few sums for each user. The zero value has none. It is not safe
// for concurrent use.
type OffPolicySums[U comparable] struct {
	so      OffPolicy // without what is estimated
	squares float64
	lists   int
	at      map[U]uint32 // in users
	users   []offSums    // sums do not depend on the order of a map
	err     error        // the first fault
}

// Add takes a list of a user. The order of the calls decides the last digits of the estimate. What cannot be taken is a fault of
// the estimate.
func (o *OffPolicySums[U]) Add(user U, list []Place) {
	i, known := o.at[user]
	if !known {
		if o.at == nil {
			o.at = map[U]uint32{}
		}
		i = uint32(len(o.users))
		o.at[user], o.users = i, append(o.users, offSums{})
	}
	s := &o.users[i]
	for _, p := range list {
		if !(p.Weight >= 0) || math.IsInf(p.Weight, 0) || math.IsNaN(p.Reward) || math.IsInf(p.Reward, 0) {
			if o.err == nil {
				o.err = fmt.Errorf("estimate off policy: list %d: weight %g, reward %g: want finite numbers, no weight below 0", o.lists, p.Weight, p.Reward)
			}
			break
		}
		o.so.Places++
		if p.Weight > 0 {
			o.so.Matched++
		}
		o.so.MaxWeight = max(o.so.MaxWeight, p.Weight)
		o.squares += p.Weight * p.Weight
		s.n++
		s.weight += p.Weight
		s.reward += p.Reward
		s.weighted += p.Weight * p.Reward
	}
	o.lists++
}

// Estimate is what the lists so far say. All intervals are of 95 % and take users as the independent units, and none goes below 0 where
// no reward does. It needs at least two users and one place that matches.
func (o *OffPolicySums[U]) Estimate() (OffPolicy, error) {
	if o.err != nil {
		return OffPolicy{}, o.err
	}
	e := o.so
	e.Users = len(o.users)
	switch {
	case e.Users < 2:
		return e, errors.New("estimate off policy: fewer than two users")
	case e.Matched == 0:
		return e, errors.New("estimate off policy: no place has the item that the policy wants")
	}
	total := 0.0
	for _, s := range o.users {
		total += s.weight
	}
	e.Effective = total * total / o.squares
	e.IPS = ratio(o.users, func(s offSums) (float64, float64) { return s.weighted, s.n })
	e.SNIPS = share(o.users, func(s offSums) (float64, float64) { return s.weighted, s.weight })
	e.Logged = share(o.users, func(s offSums) (float64, float64) { return s.reward, s.n })
	if e.SNIPS.Value == 0 { // the places that match say how little is known, not all of them
		e.IPS = e.SNIPS
	}
	e.MeanWeight = ratio(o.users, func(s offSums) (float64, float64) { return s.weight, s.n })
	return e, nil
}

// offSums are the sums of one user.
type offSums struct{ n, weight, reward, weighted float64 }

// share is ratio for rewards of 0 to 1, which end there. Where all are 0, or all are 1, the users do not differ, and ratio would be certain out
// of however little: there each effective user counts as one trial.
func share(all []offSums, of func(offSums) (num, den float64)) Interval {
	i := ratio(all, of)
	n := int64(effective(all, of))
	switch {
	case i.Low == i.High && i.Value == 0:
		return Wilson(0, n)
	case i.Low == i.High && i.Value == 1:
		return Wilson(n, n)
	}
	for _, s := range all {
		if n, d := of(s); n > d {
			return i // other rewards
		}
	}
	i.High = min(1, i.High)
	return i
}

// ratio is the ratio of two sums over users, with its interval by linearisation. Its degrees of freedom come from the effective
// number of users.
func ratio(all []offSums, of func(offSums) (num, den float64)) Interval {
	var num, den float64
	least := math.Inf(1)
	for _, s := range all {
		n, d := of(s)
		num, den, least = num+n, den+d, min(least, n)
	}
	value := num / den
	rest := 0.0
	for _, s := range all {
		n, d := of(s)
		e := n - value*d
		rest += e * e
	}
	g := float64(len(all))
	se := math.Sqrt(rest*g/(g-1)) / den
	half := se * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: max(1, effective(all, of)-1)}.Quantile(0.975)
	low := value - half
	if least >= 0 {
		low = max(0, low)
	}
	return Interval{Value: value, Low: low, High: value + half}
}

// effective is how many users of equal denominators would say as much; at least one.
func effective(all []offSums, of func(offSums) (num, den float64)) float64 {
	var dens, squares float64
	for _, s := range all {
		_, d := of(s)
		dens, squares = dens+d, squares+d*d
	}
	return max(1, dens*dens/squares)
}
