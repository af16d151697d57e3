package evaluation

import (
	"fmt"

	"github.com/softrec/softrec/trainer/eval"
)

// Comparison is what paired figures say of two models: is New better than Old?
type Comparison struct {
	New    string `json:"new"`
	Old    string `json:"old"`
	Group  Group  `json:"group"`
	Events int    `json:"events"`

	HR10   Difference `json:"hr10"`
	NDCG10 Difference `json:"ndcg10"`

	Wins    int     `json:"wins"`      // cases that only New hits, first seed
	Losses  int     `json:"losses"`    // cases that only Old hits, first seed
	McNemar float64 `json:"mcnemar_p"` // two-sided, over Wins and Losses; takes the cases as independent
}

// Difference is New less Old with its 95 % interval by a bootstrap over users, and the same relative to Old.
type Difference struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Gain  float64 `json:"gain"` // 0 where Old has none
	P     float64 `json:"p"`    // two-sided
}

// Significant reports whether the interval leaves out 0.
func (d Difference) Significant() bool { return d.Low > 0 || d.High < 0 }

// level is the confidence of all intervals.
const level = 0.95

// Side is one model of a comparison: its name and the ranks of all cases, once per seed.
type Side struct {
	Name  string
	Ranks [][]float32
}

// Compare compares two models on the cases of a group: users are resampled as wholes, draws times, the figure of a case
// being its mean over a model's seeds. It is an error when the group has cases of fewer than two users.
func Compare(newer, older Side, cases []Case, g Group, draws int, seed uint64) (Comparison, error) {
	c := Comparison{New: newer.Name, Old: older.Name, Group: g}
	var users []int32
	var at []int
	for i := range cases {
		if cases[i].In(g) {
			users, at = append(users, cases[i].User), append(at, i)
		}
	}
	c.Events = len(at)
	for _, metric := range []struct {
		of func(float64, int) float64
		to *Difference
	}{{eval.HR, &c.HR10}, {eval.NDCG, &c.NDCG10}} {
		r, err := eval.Bootstrap(users, figures(older.Ranks, at, metric.of), figures(newer.Ranks, at, metric.of), level, draws, seed)
		if err != nil {
			return c, fmt.Errorf("compare %s with %s, %s: %w", newer.Name, older.Name, g, err)
		}
		*metric.to = Difference{Value: r.Difference.Value, Low: r.Difference.Low, High: r.Difference.High, P: r.P}
		if r.Gain.Value == r.Gain.Value { // JSON knows no NaN
			metric.to.Gain = r.Gain.Value
		}
	}
	for _, i := range at {
		a, b := eval.HR(float64(newer.Ranks[0][i]), Cut), eval.HR(float64(older.Ranks[0][i]), Cut)
		switch {
		case a > b:
			c.Wins++
		case a < b:
			c.Losses++
		}
	}
	c.McNemar = eval.McNemar(c.Wins, c.Losses)
	return c, nil
}

// figures are the metric of the cases at the given places, means over seeds.
func figures(ranks [][]float32, at []int, metric func(float64, int) float64) []float64 {
	out := make([]float64, len(at))
	for _, seed := range ranks {
		for n, i := range at {
			out[n] += metric(float64(seed[i]), Cut) / float64(len(ranks))
		}
	}
	return out
}
