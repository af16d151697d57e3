package eval

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Clustered is what two models' figures on the same cases say about the mean difference per case, new minus old, where the
// cases of one user are not independent: users are taken as the independent units.
type Clustered struct {
	Cases     int
	Users     int
	Effective float64 // users of equal weight that would say as much: (sum n)^2 / sum n^2 over the users' cases n
	Mean      float64 // mean difference per case; above 0 the new one is better
	Old, New  float64 // means per case of the two models
	SE        float64 // cluster-robust standard error of Mean (Liang and Zeger 1986, with the factor users/(users-1))
}

// Cluster compares the figures of two models case by case: before[i] and after[i] are about case i, which is of users[i].
// At least two users and finite figures are needed.
func Cluster[U comparable](users []U, before, after []float64) (Clustered, error) {
	if len(users) != len(before) || len(users) != len(after) {
		return Clustered{}, fmt.Errorf("compare by user: %d users, %d and %d figures", len(users), len(before), len(after))
	}
	sums, err := sumByUser(users, before, after)
	if err != nil {
		return Clustered{}, err
	}
	if len(sums) < 2 {
		return Clustered{}, errors.New("compare by user: fewer than two users")
	}
	var all userSum
	for _, s := range sums {
		all.add(s)
	}
	c := Clustered{Cases: len(users), Users: len(sums), Old: all.before / all.n, New: all.after / all.n, Mean: all.difference()}
	weights, squares := 0.0, 0.0
	for _, s := range sums {
		weights += s.n * s.n
		rest := s.after - s.before - c.Mean*s.n
		squares += rest * rest
	}
	c.Effective = all.n * all.n / weights
	c.SE = math.Sqrt(squares*float64(c.Users)/float64(c.Users-1)) / all.n
	return c, nil
}

// PAbove is the one-sided p-value for a true mean difference of at most floor: how often one as large as Mean would show if
// it were exactly floor. Small values speak for more than floor.
func (c Clustered) PAbove(floor float64) float64 { return 1 - c.below(c.Mean-floor) }

// PBelow is the one-sided p-value for a true mean difference of at least floor. Small values speak for less than floor.
func (c Clustered) PBelow(floor float64) float64 { return c.below(c.Mean - floor) }

// below is Student's distribution function at distance over SE. Its degrees of freedom come from the effective number of
// users: a few users with most of the cases carry less than their number says (Carter, Schnepel and Steigerwald 2017).
func (c Clustered) below(distance float64) float64 {
	if c.SE == 0 {
		switch {
		case distance < 0:
			return 0
		case distance > 0:
			return 1
		}
		return 0.5
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: c.freedom()}.CDF(distance / c.SE)
}

func (c Clustered) freedom() float64 { return max(1, c.Effective-1) }

// Bound is how far Mean has to lie from a floor for a one-sided p-value of alpha.
func (c Clustered) Bound(alpha float64) float64 {
	return c.SE * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: c.freedom()}.Quantile(1-alpha)
}

// Detectable is the true difference that a one-sided test at alpha finds with the given power, as far as SE tells.
func (c Clustered) Detectable(alpha, power float64) float64 {
	return c.Bound(alpha) + c.Bound(1-power)
}
