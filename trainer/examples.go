package trainer

import (
	"math/rand/v2"

	"github.com/softrec/softrec/trainer/model/seqtrain"
)

// examples turns segments into training sequences of at most maxLen positions. Position i carries as target an
// interaction of the basket that follows the basket of i; where baskets hold one interaction (an ordinary clickstream)
// that is simply the next one. Baskets of several lines are paired at random by seed, each line used at most once, so
// that the order of lines on an invoice, which is not time, is never learnt. Only fresh interactions are targets.
//
// A long run is cut into overlapping pieces such that every target but a user's first ones sees at least maxLen/2
// interactions of context.
func examples(segs []segment, maxLen int, seed uint64) []seqtrain.Example {
	rng := rand.New(rand.NewPCG(seed, 0x5e9e))
	var out []seqtrain.Example
	for _, s := range segs {
		targets := basketTargets(s, rng)
		out = append(out, pieces(s, targets, maxLen)...)
	}
	return out
}

// basketTargets returns for every step of s its target or 0.
func basketTargets(s segment, rng *rand.Rand) []int32 {
	targets := make([]int32, len(s.Steps))
	for start := 0; start < len(s.Steps); {
		end := basketEnd(s.Steps, start)
		if end == len(s.Steps) {
			break
		}
		next := basketEnd(s.Steps, end)
		pairBaskets(targets[start:end], s.Steps[end:next], s.First-end, rng)
		start = end
	}
	return targets
}

// basketEnd returns the end of the basket that begins at start.
func basketEnd(steps []step, start int) int {
	end := start + 1
	for end < len(steps) && steps[end].TS == steps[start].TS {
		end++
	}
	return end
}

// pairBaskets gives the positions of one basket, the last one first, targets from the next basket in random order.
// Steps of next below firstFresh are context and no targets.
func pairBaskets(targets []int32, next []step, firstFresh int, rng *rand.Rand) {
	fresh := next[min(len(next), max(0, firstFresh)):]
	order := rng.Perm(len(fresh))
	for k := 0; k < len(order) && k < len(targets); k++ {
		targets[len(targets)-1-k] = fresh[order[k]].Item
	}
}

// pieces cuts a segment with its targets into sequences of at most maxLen positions that hold at least one target.
func pieces(s segment, targets []int32, maxLen int) []seqtrain.Example {
	n := len(s.Steps) - 1 // the last step has nothing after it
	var out []seqtrain.Example
	covered := 0 // positions below this have had their target used
	for end := min(maxLen, n); end > 0; end = min(end+maxLen-maxLen/2, n) {
		start := max(0, end-maxLen)
		ex := seqtrain.Example{Items: make([]int32, end-start), Targets: make([]int32, end-start)}
		used := false
		for i := start; i < end; i++ {
			ex.Items[i-start] = s.Steps[i].Item
			if i >= covered && targets[i] != 0 {
				ex.Targets[i-start] = targets[i]
				used = true
			}
		}
		if used {
			out = append(out, ex)
		}
		covered = end
		if end == n {
			break
		}
	}
	return out
}
