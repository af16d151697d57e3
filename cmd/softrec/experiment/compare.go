package experiment

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/eval"
)

// level of all intervals.
const level = 0.95

// Ratio is a relative gain: 0.1 is 10 % better. Over a figure of 0 there is none: it is not a number then, and null in JSON.
type Ratio float64

func (r Ratio) defined() bool { return !math.IsNaN(float64(r)) && !math.IsInf(float64(r), 0) }

// MarshalJSON implements json.Marshaler.
func (r Ratio) MarshalJSON() ([]byte, error) {
	if !r.defined() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(r))
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *Ratio) UnmarshalJSON(text []byte) error {
	x := math.NaN()
	if string(text) != "null" {
		if err := json.Unmarshal(text, &x); err != nil {
			return err
		}
	}
	*r = Ratio(x)
	return nil
}

// Gain compares a variant with another on the same test lines and seeds.
type Gain struct {
	Mean        Ratio                `json:"mean"` // of all six metrics
	Low         Ratio                `json:"low"`  // no number also where a draw of users has a figure of 0
	High        Ratio                `json:"high"`
	Significant bool                 `json:"significant"` // the interval leaves out 0
	Seeds       int                  `json:"seeds"`       // both have
	BySeed      []Ratio              `json:"by_seed"`     // the same gain within each seed
	Metrics     map[string]GainOfOne `json:"metrics"`
}

// GainOfOne is the gain of one metric.
type GainOfOne struct {
	Relative    Ratio   `json:"relative"`
	Low         Ratio   `json:"low"`
	High        Ratio   `json:"high"`
	Difference  float64 `json:"difference"`
	SE          float64 `json:"se"` // of the difference, users resampled
	Significant bool    `json:"significant"`
}

// comparer pairs runs by test line and resamples whole users.
type comparer struct {
	users []int32 // of the test lines
	draws int
}

func newComparer(test []split.Question, draws int) comparer {
	c := comparer{draws: draws}
	for _, q := range split.Lines(test) {
		c.users = append(c.users, q.User)
	}
	return c
}

// gain compares name with base over the seeds that both have; variants without seeds stand beside each. It is nil where
// there is nothing to compare.
func (c comparer) gain(runs kept, base, name string) (*Gain, error) {
	pairs := common(runs[base], runs[name])
	if base == name || len(pairs) == 0 {
		return nil, nil
	}
	all := metrics()
	figures := make([][]float64, 0, 2*len(all)) // base's, then name's
	for side := range 2 {
		for _, m := range all {
			figures = append(figures, meanOver(pairs, side, m))
		}
	}
	g := &Gain{Seeds: len(pairs), Metrics: map[string]GainOfOne{}}
	for _, p := range pairs {
		g.BySeed = append(g.BySeed, Ratio(meanGain(len(all))(means(p, all))))
	}
	r, err := eval.Resample(c.users, figures, c.draws, seedTest)
	if err != nil {
		return nil, fmt.Errorf("compare %s with %s: %w", name, base, err)
	}
	i := r.Interval(level, meanGain(len(all)))
	g.Mean, g.Low, g.High = Ratio(i.Value), Ratio(i.Low), Ratio(i.High)
	g.Significant = i.Low > 0 || i.High < 0
	for k, m := range all {
		g.Metrics[m.name] = ofOne(r, k, k+len(all))
	}
	return g, nil
}

// own is the intervals of a variant's HR@10 and NDCG@10.
func (c comparer) own(runs []*Run) (hr, ndcg [2]float64, err error) {
	var pairs []pair
	for _, r := range runs {
		pairs = append(pairs, pair{r, r})
	}
	all := metrics()
	r, err := eval.Resample(c.users, [][]float64{meanOver(pairs, 0, all[1]), meanOver(pairs, 0, all[4])}, c.draws, seedTest)
	if err != nil {
		return hr, ndcg, err
	}
	for k, to := range []*[2]float64{&hr, &ndcg} {
		i := r.Interval(level, func(m []float64) float64 { return m[k] })
		*to = [2]float64{i.Low, i.High}
	}
	return hr, ndcg, nil
}

func ofOne(r eval.Resampling, before, after int) GainOfOne {
	gain := r.Interval(level, func(m []float64) float64 { return relative(m[before], m[after]) })
	difference := func(m []float64) float64 { return m[after] - m[before] }
	d := r.Interval(level, difference)
	return GainOfOne{
		Relative: Ratio(gain.Value), Low: Ratio(gain.Low), High: Ratio(gain.High),
		Difference: d.Value, SE: r.SE(difference), Significant: d.Low > 0 || d.High < 0,
	}
}

// meanGain is the mean relative gain over n metrics, given their n means before and their n means after. A metric that was
// 0 before has no gain, and the mean then none either.
func meanGain(n int) func([]float64) float64 {
	return func(m []float64) float64 {
		sum := 0.0
		for k := range n {
			sum += relative(m[k], m[n+k])
		}
		return sum / float64(n)
	}
}

func relative(before, after float64) float64 {
	if before == 0 {
		return math.NaN()
	}
	return after/before - 1
}

// pair is two runs of one seed: base, variant.
type pair [2]*Run

// common pairs runs by seed. A run of a variant that no seed changes stands beside every run of the other.
func common(base, other []*Run) []pair {
	fixed := func(rs []*Run) bool { return len(rs) == 1 && find(rs[0].Variant).fixed }
	var out []pair
	for _, b := range base {
		for _, o := range other {
			if b.Skipped == "" && o.Skipped == "" && (b.Seed == o.Seed || fixed(base) || fixed(other)) {
				out = append(out, pair{b, o})
			}
		}
	}
	return out
}

// meanOver is a metric of every test line, averaged over the seeds.
func meanOver(pairs []pair, side int, m metric) []float64 {
	out := make([]float64, len(pairs[0][side].Places))
	for _, p := range pairs {
		for i, x := range values(p[side].Places, m) {
			out[i] += x / float64(len(pairs))
		}
	}
	return out
}

func means(p pair, all []metric) []float64 {
	var out []float64
	for side := range 2 {
		for _, m := range all {
			out = append(out, mean(values(p[side].Places, m)))
		}
	}
	return out
}

// values is a metric of every test line.
func values(places []int32, m metric) []float64 {
	out := make([]float64, len(places))
	for i, p := range places {
		out[i] = m.of(rankOf(p))
	}
	return out
}

// mean is 0 for none.
func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(max(len(xs), 1))
}

// deviation is the standard deviation of a sample, 0 for fewer than two.
func deviation(xs []float64) float64 {
	if len(xs) < 2 {
		return 0
	}
	m, sum := mean(xs), 0.0
	for _, x := range xs {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(len(xs)-1))
}
