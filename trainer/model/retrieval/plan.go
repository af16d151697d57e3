package retrieval

import (
	"math/rand/v2"
	"slices"
)

// part is a batch before it is laid out: prompts that run together, padded to one length.
type part struct {
	prompts []int
	length  int // tokens
}

// plan shares the prompts of an epoch among batches of one length each, in an order drawn from rng. What does not fill a batch
// goes with the next greater length, so that only the last batch is short.
func plan(lengths []int, batch int, rng *rand.Rand) []part {
	byLength := map[int][]int{}
	for _, i := range rng.Perm(len(lengths)) {
		byLength[lengths[i]] = append(byLength[lengths[i]], i)
	}
	order := make([]int, 0, len(byLength))
	for n := range byLength {
		order = append(order, n)
	}
	slices.Sort(order)
	var out []part
	var carry []int
	for _, n := range order {
		carry = append(carry, byLength[n]...)
		for len(carry) >= batch {
			out, carry = append(out, part{carry[:batch:batch], n}), carry[batch:]
		}
	}
	if len(carry) > 0 {
		out = append(out, part{carry, order[len(order)-1]})
	}
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// rowsOf rounds a part of a batch up to a quarter, so that there are few shapes to compile.
func rowsOf(n, batch int) int {
	quarter := (batch + 3) / 4
	return min((n+quarter-1)/quarter*quarter, batch)
}
