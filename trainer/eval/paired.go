package eval

import (
	"errors"
	"fmt"
	"math"
)

// Comparison is what two models' figures on the same cases say about their difference, new minus old.
type Comparison struct {
	N                  int     // cases
	Mean               float64 // mean difference; above 0 the new one is better
	SE                 float64 // standard error of Mean, taking the cases as independent; 0 for fewer than two
	Z                  float64 // Mean / SE; 0 where both are 0, infinite where only SE is
	Wins, Losses, Ties int     // cases where the new one is better, worse, equal
}

// Paired compares the figures of two models, higher being better, case by case: before[i] and after[i] are about case i.
// It is an error when their numbers differ, there are none, or one is not finite.
func Paired(before, after []float64) (Comparison, error) {
	if len(before) != len(after) {
		return Comparison{}, fmt.Errorf("compare pairs: %d figures against %d", len(before), len(after))
	}
	if len(before) == 0 {
		return Comparison{}, errors.New("compare pairs: no cases")
	}
	c := Comparison{N: len(before)}
	var mean, squares float64 // Welford's recurrence: no cancellation where the differences are small
	for i := range before {
		d := after[i] - before[i]
		if math.IsNaN(d) || math.IsInf(d, 0) {
			return Comparison{}, fmt.Errorf("compare pairs: case %d: %v and %v", i, before[i], after[i])
		}
		switch {
		case d > 0:
			c.Wins++
		case d < 0:
			c.Losses++
		default:
			c.Ties++
		}
		delta := d - mean
		mean += delta / float64(i+1)
		squares += delta * (d - mean)
	}
	c.Mean = mean
	if n := float64(c.N); c.N > 1 {
		c.SE = math.Sqrt(squares / (n - 1) / n)
	}
	if c.Mean != 0 {
		c.Z = c.Mean / c.SE
	}
	return c, nil
}

// P is the two-sided p-value of Z under the normal distribution: how often a difference at least as large would show if
// there were none. It needs some hundred cases; for few, SignP is exact.
func (c Comparison) P() float64 { return math.Erfc(math.Abs(c.Z) / math.Sqrt2) }

// SignP is the two-sided p-value of Wins against Losses, ties left out. Over hits (0 or 1) it is McNemar's test.
func (c Comparison) SignP() float64 { return McNemar(c.Wins, c.Losses) }

// exactUpTo is the number of discordant pairs up to which McNemar sums the binomial distribution; beyond it the normal one
// differs by less than anybody can use.
const exactUpTo = 10_000

// McNemar is the two-sided p-value of McNemar's test: of wins+losses cases on which two models differ, how often would a
// fair coin split at least as unevenly? Exact up to 10,000 such cases, then normal with continuity correction; 1 where
// there are none.
func McNemar(wins, losses int) float64 {
	n, less := wins+losses, min(wins, losses)
	if n <= 0 || wins == losses {
		return 1
	}
	if n > exactUpTo {
		z := (math.Abs(float64(wins-losses)) - 1) / math.Sqrt(float64(n))
		return math.Erfc(z / math.Sqrt2)
	}
	tail := 0.0
	lgN, _ := math.Lgamma(float64(n + 1))
	for i := range less + 1 {
		a, _ := math.Lgamma(float64(i + 1))
		b, _ := math.Lgamma(float64(n - i + 1))
		tail += math.Exp(lgN - a - b - float64(n)*math.Ln2)
	}
	return min(1, 2*tail)
}
