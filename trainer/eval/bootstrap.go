package eval

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Interval is a value with its percentile confidence interval.
type Interval struct {
	Value, Low, High float64
}

// Resampled is a bootstrap's answer about two models on the same cases, new against old.
type Resampled struct {
	Users      int      // resampled units
	Difference Interval // mean of new minus mean of old
	Gain       Interval // relative: mean of new over mean of old, minus 1; NaN where the old mean is 0
	P          float64  // two-sided, for no difference; never below 2/(samples+1)
}

// Bootstrap resamples whole users with replacement, as cases of one user are not independent (before[i] and after[i] are
// about case i, which is of users[i]), and returns intervals of the given level, for example 0.95, from samples draws. The
// same arguments give the same answer. At least two users, 100 samples and finite figures are needed.
func Bootstrap[U comparable](users []U, before, after []float64, level float64, samples int, seed uint64) (Resampled, error) {
	if len(users) != len(before) || len(users) != len(after) {
		return Resampled{}, fmt.Errorf("bootstrap: %d users, %d and %d figures", len(users), len(before), len(after))
	}
	if samples < 100 {
		return Resampled{}, fmt.Errorf("bootstrap: %d samples, want at least 100", samples)
	}
	if !(level > 0 && level < 1) {
		return Resampled{}, fmt.Errorf("bootstrap: level %v, want between 0 and 1", level)
	}
	sums, err := sumByUser(users, before, after)
	if err != nil {
		return Resampled{}, err
	}
	if len(sums) < 2 {
		return Resampled{}, errors.New("bootstrap: fewer than two users")
	}
	rng := rand.New(rand.NewPCG(seed, uint64(len(sums))))
	diffs, gains := make([]float64, samples), make([]float64, samples)
	below, above := 0, 0
	for s := range samples {
		var drawn userSum
		for range sums {
			drawn.add(sums[rng.IntN(len(sums))])
		}
		diffs[s], gains[s] = drawn.difference(), drawn.gain()
		if diffs[s] <= 0 {
			below++
		}
		if diffs[s] >= 0 {
			above++
		}
	}
	var all userSum
	for _, u := range sums {
		all.add(u)
	}
	return Resampled{
		Users:      len(sums),
		Difference: interval(all.difference(), diffs, level),
		Gain:       interval(all.gain(), gains, level),
		P:          min(1, 2*float64(min(below, above)+1)/float64(samples+1)),
	}, nil
}

// userSum is all cases of one user, or of a draw of users.
type userSum struct{ n, before, after float64 }

func (s *userSum) add(o userSum) {
	s.n += o.n
	s.before += o.before
	s.after += o.after
}

func (s userSum) difference() float64 { return (s.after - s.before) / s.n }

func (s userSum) gain() float64 {
	if s.before == 0 {
		return math.NaN()
	}
	return s.after/s.before - 1
}

// sumByUser groups cases in the order in which the users first appear, which keeps the draws repeatable.
func sumByUser[U comparable](users []U, before, after []float64) ([]userSum, error) {
	index := map[U]int{}
	var sums []userSum
	for i, u := range users {
		if math.IsNaN(before[i]+after[i]) || math.IsInf(before[i]+after[i], 0) {
			return nil, fmt.Errorf("bootstrap: case %d: %v and %v", i, before[i], after[i])
		}
		at, ok := index[u]
		if !ok {
			at = len(sums)
			index[u] = at
			sums = append(sums, userSum{})
		}
		sums[at].add(userSum{n: 1, before: before[i], after: after[i]})
	}
	return sums, nil
}

// interval cuts (1-level)/2 off both ends of the drawn values. Draws without a value (a gain over nothing) make the whole
// interval one.
func interval(value float64, drawn []float64, level float64) Interval {
	slices.Sort(drawn) // NaN first
	if math.IsNaN(drawn[0]) {
		return Interval{Value: value, Low: math.NaN(), High: math.NaN()}
	}
	cut := int(math.Floor((1 - level) / 2 * float64(len(drawn))))
	return Interval{Value: value, Low: drawn[cut], High: drawn[len(drawn)-1-cut]}
}
