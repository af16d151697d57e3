package eval

import "math"

// Rank returns the place of target among scores, the highest score first: 1 plus the number of higher scores plus half
// the number of other scores equal to its own. Mid-ranks keep a model that scores everything alike from looking good
// or bad by the order of the items. A target outside scores, or with a score that is not a number, ranks at
// infinity; other scores that are not numbers rank below every number.
func Rank[S ~float32 | ~float64](scores []S, target int) float64 {
	if target < 0 || target >= len(scores) || scores[target] != scores[target] {
		return math.Inf(1)
	}
	own := scores[target]
	above, ties := 0, -1 // the target ties with itself
	for _, s := range scores {
		if s > own {
			above++
		} else if s == own {
			ties++
		}
	}
	return 1 + float64(above) + float64(ties)/2
}

// RankIn returns the place of target in list, the best first, or infinity where it is not there. Lists have an order, so
// there are no ties.
func RankIn[T comparable](list []T, target T) float64 {
	for i, x := range list {
		if x == target {
			return float64(i + 1)
		}
	}
	return math.Inf(1)
}

// HR is the hit of one rank at k: 1 where rank <= k, else 0. A rank that is not a number or below 1 is a miss.
func HR(rank float64, k int) float64 {
	if rank >= 1 && rank <= float64(k) {
		return 1
	}
	return 0
}

// NDCG is the normalised discounted gain of one relevant item at rank: 1/log2(rank+1) where rank <= k, else 0.
func NDCG(rank float64, k int) float64 {
	if HR(rank, k) == 0 {
		return 0
	}
	return 1 / math.Log2(rank+1)
}

// MRR is the reciprocal of one rank where it is <= k, else 0.
func MRR(rank float64, k int) float64 {
	if HR(rank, k) == 0 {
		return 0
	}
	return 1 / rank
}
