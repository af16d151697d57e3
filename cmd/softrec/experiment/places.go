package experiment

import (
	"math"
	"strconv"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/eval"
)

// places packs the ranks of all lines; see Run.Places.
func places(ranks [][]float64) []int32 {
	var out []int32
	for _, own := range ranks {
		for _, r := range own {
			p := int32(0)
			if r >= 1 && r < math.MaxInt32/2 {
				p = int32(math.Round(2 * r))
			}
			out = append(out, p)
		}
	}
	return out
}

// rankOf reads a place back.
func rankOf(place int32) float64 {
	if place == 0 {
		return math.Inf(1)
	}
	return float64(place) / 2
}

// rankTargets ranks the targets of q among the scores of the whole catalogue, scores[0] being row 0. Items the user had
// are put below all others where filter is set; the scores are spoilt. Targets that no score reaches rank behind all that
// one does, ties in the middle.
func rankTargets(scores []float32, q split.Question, filter bool) []float64 {
	if filter {
		for _, seen := range q.Past {
			scores[seen] = float32(math.Inf(-1))
		}
	}
	out := make([]float64, len(q.Targets))
	for i, t := range q.Targets {
		out[i] = eval.Rank(scores, int(t))
	}
	return out
}

// metric is one figure of a rank.
type metric struct {
	name string
	of   func(rank float64) float64
}

// metrics are the figures of result.json, in their order.
func metrics() []metric {
	var out []metric
	for _, k := range []int{5, 10, 20} {
		out = append(out, metric{name: "hr" + strconv.Itoa(k), of: func(r float64) float64 { return eval.HR(r, k) }})
	}
	for _, k := range []int{5, 10, 20} {
		out = append(out, metric{name: "ndcg" + strconv.Itoa(k), of: func(r float64) float64 { return eval.NDCG(r, k) }})
	}
	return out
}
