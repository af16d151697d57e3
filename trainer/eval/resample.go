package eval

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Resampling holds the means of several figures over the same cases, and the same means over draws of the users with
// replacement. All figures share the draws, so anything computed from several of them (a gain of one over another, the
// mean of many gains) has its interval from the same draws.
type Resampling struct {
	Users int         // resampled units
	Means []float64   // of each figure over all cases
	Draws [][]float64 // [draw][figure]
}

// Resample draws whole users, as cases of one user are not independent: figures[f][i] is figure f of case i, which is of
// users[i]. The same arguments give the same draws, and a figure's draws do not depend on which others stand beside it. At least
// two users, 100 draws and finite figures are needed.
func Resample[U comparable](users []U, figures [][]float64, draws int, seed uint64) (Resampling, error) {
	if draws < 100 {
		return Resampling{}, fmt.Errorf("resample: %d draws, want at least 100", draws)
	}
	n, sums, err := sumsByUser(users, figures)
	if err != nil {
		return Resampling{}, err
	}
	if len(n) < 2 {
		return Resampling{}, errors.New("resample: fewer than two users")
	}
	width := len(figures)
	r := Resampling{Users: len(n), Means: make([]float64, width), Draws: make([][]float64, draws)}
	cases := 0.0
	for u := range n {
		cases += n[u]
		addTo(r.Means, sums[u*width:(u+1)*width])
	}
	scale(r.Means, cases)
	rng := rand.New(rand.NewPCG(seed, uint64(len(n))))
	for d := range r.Draws {
		row := make([]float64, width)
		drawn := 0.0
		for range n {
			u := rng.IntN(len(n))
			drawn += n[u]
			addTo(row, sums[u*width:(u+1)*width])
		}
		scale(row, drawn)
		r.Draws[d] = row
	}
	return r, nil
}

// Interval is the value of fn on the means of all cases, with the percentile interval of fn over the draws; level is for
// example 0.95. fn is given one mean per figure. Draws for which fn is not a number make the whole interval one.
func (r Resampling) Interval(level float64, fn func(means []float64) float64) Interval {
	return interval(fn(r.Means), r.apply(fn), level)
}

// SE is the standard deviation of fn over the draws: the standard error of its value as far as the choice of users goes.
func (r Resampling) SE(fn func(means []float64) float64) float64 {
	xs := r.apply(fn)
	mean, squares := 0.0, 0.0
	for i, x := range xs {
		delta := x - mean
		mean += delta / float64(i+1)
		squares += delta * (x - mean)
	}
	return math.Sqrt(squares / float64(len(xs)-1))
}

func (r Resampling) apply(fn func([]float64) float64) []float64 {
	xs := make([]float64, len(r.Draws))
	for i, d := range r.Draws {
		xs[i] = fn(d)
	}
	return xs
}

// sumsByUser adds the cases up, users in the order in which they first appear: n[u] cases, sums[u*figures+f].
func sumsByUser[U comparable](users []U, figures [][]float64) (n, sums []float64, err error) {
	for f, xs := range figures {
		if len(xs) != len(users) {
			return nil, nil, fmt.Errorf("resample: figure %d has %d cases for %d users", f, len(xs), len(users))
		}
	}
	index := map[U]int{}
	for i, user := range users {
		u, ok := index[user]
		if !ok {
			u = len(n)
			index[user] = u
			n, sums = append(n, 0), append(sums, make([]float64, len(figures))...)
		}
		n[u]++
		for f, xs := range figures {
			if math.IsNaN(xs[i]) || math.IsInf(xs[i], 0) {
				return nil, nil, fmt.Errorf("resample: figure %d, case %d: %v", f, i, xs[i])
			}
			sums[u*len(figures)+f] += xs[i]
		}
	}
	return n, sums, nil
}

func addTo(sum, xs []float64) {
	for i, x := range xs {
		sum[i] += x
	}
}

func scale(xs []float64, by float64) {
	for i := range xs {
		xs[i] /= by
	}
}
