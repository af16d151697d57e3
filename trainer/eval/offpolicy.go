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
	Reward float64 // what the logged item brought
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

// EstimateOffPolicy reads places, those of one list in one element, of the users lists[i] belongs to. All intervals are of 95 %
// and take users as the independent units. It needs at least two users and one place that matches.
func EstimateOffPolicy[U comparable](users []U, lists [][]Place) (OffPolicy, error) {
	if len(users) != len(lists) {
		return OffPolicy{}, fmt.Errorf("estimate off policy: %d users for %d lists", len(users), len(lists))
	}
	var o OffPolicy
	by := map[U]*offSums{}
	var order []*offSums // sums do not depend on the order of a map
	var squares float64
	for i, list := range lists {
		s := by[users[i]]
		if s == nil {
			s = &offSums{}
			by[users[i]] = s
			order = append(order, s)
		}
		for _, p := range list {
			if !(p.Weight >= 0) || math.IsInf(p.Weight, 0) || math.IsNaN(p.Reward) || math.IsInf(p.Reward, 0) {
				return OffPolicy{}, fmt.Errorf("estimate off policy: list %d: weight %g, reward %g: want finite numbers, no weight below 0", i, p.Weight, p.Reward)
			}
			o.Places++
			if p.Weight > 0 {
				o.Matched++
			}
			o.MaxWeight = max(o.MaxWeight, p.Weight)
			squares += p.Weight * p.Weight
			s.n++
			s.weight += p.Weight
			s.reward += p.Reward
			s.weighted += p.Weight * p.Reward
		}
	}
	o.Users = len(order)
	switch {
	case o.Users < 2:
		return o, errors.New("estimate off policy: fewer than two users")
	case o.Matched == 0:
		return o, errors.New("estimate off policy: no place has the item that the policy wants")
	}
	total := 0.0
	for _, s := range order {
		total += s.weight
	}
	o.Effective = total * total / squares
	o.IPS = ratio(order, func(s *offSums) (float64, float64) { return s.weighted, s.n })
	o.SNIPS = ratio(order, func(s *offSums) (float64, float64) { return s.weighted, s.weight })
	o.Logged = ratio(order, func(s *offSums) (float64, float64) { return s.reward, s.n })
	o.MeanWeight = ratio(order, func(s *offSums) (float64, float64) { return s.weight, s.n })
	return o, nil
}

// offSums are the sums of one user.
type offSums struct{ n, weight, reward, weighted float64 }

// ratio is the ratio of two sums over users, with its interval by linearisation. Its degrees of freedom come from the effective
// number of users, by the denominator.
func ratio(all []*offSums, of func(*offSums) (num, den float64)) Interval {
	var num, den, dens float64
	for _, s := range all {
		n, d := of(s)
		num, den, dens = num+n, den+d, dens+d*d
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
	half := se * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: max(1, den*den/dens-1)}.Quantile(0.975)
	return Interval{Value: value, Low: value - half, High: value + half}
}
