package offline

import (
	"math/rand/v2"

	"github.com/softrec/softrec/trainer/model/seqtrain"
)

// examples makes training sequences: the positions before a basket carry its items as targets, the newest position first, in
// an order drawn anew for every basket; no position sees an item of its own target's basket. v says which side inputs positions have.
func examples(train []Sequence, maxLen int, v variant, seed uint64) []seqtrain.Example {
	rng := rand.New(rand.NewPCG(seed, 0x0ff11e))
	var out []seqtrain.Example
	for _, s := range train {
		targets := make([]int32, len(s.Items))
		before, begin := 0, 0 // where the last basket and the present one begin
		for i := 1; i <= len(s.Items); i++ {
			if i < len(s.Items) && s.Baskets[i] == s.Baskets[i-1] {
				continue
			}
			for k, pick := range rng.Perm(i - begin) {
				if at := begin - 1 - k; at >= before {
					targets[at] = s.Items[begin+pick]
				}
			}
			before, begin = begin, i
		}
		if before > 0 {
			out = append(out, pieces(s.Items[:before], targets[:before], v.sides(s.At[:before], s.At[before]), maxLen)...)
		}
	}
	return out
}

// pieces cuts a long sequence so that each target but the first ones sees at least maxLen/4 items before it.
func pieces(items, targets []int32, sides [][2]int32, maxLen int) []seqtrain.Example {
	var out []seqtrain.Example
	covered := 0
	for end := min(maxLen, len(items)); ; end = min(end+maxLen-maxLen/4, len(items)) {
		start := max(0, end-maxLen)
		ex := seqtrain.Example{Items: items[start:end], Targets: make([]int32, end-start)}
		copy(ex.Targets[covered-start:], targets[covered:end])
		if sides != nil {
			ex.Sides = sides[start:end]
		}
		out = append(out, ex)
		if covered = end; end == len(items) {
			return out
		}
	}
}
