package seqtrain

import (
	"math"
	"math/rand/v2"
)

// fullPad is what the rows of an exact softmax are rounded up to, so that a growing catalogue seldom compiles anew.
const fullPad = 128

// sampler draws the items of the softmax.
type sampler struct {
	ids     []int32   // what was drawn, 0 = no item; length never changes
	inverse []float32 // by place in ids: one over the chance to be drawn, 0 for no item
	chance  []float64 // by item: the chance to be drawn; nil = every item is always there
	drawn   []bool    // by item
	binary  bool      // the items are negatives of a binary loss, as many of the catalogue as there are places
}

// newSampler makes the sampler for a catalogue of vocab rows; counts are those of the targets in D, by item. A
// sample of k items without repetition has item i with chance min(1, c*p_i), where p mixes popularity^0.75 (as word2vec
// has it, arXiv 1310.4546) with the uniform distribution.
func newSampler(cfg Config, counts []int) *sampler {
	vocab := len(counts)
	if items := vocab - 1; items <= cfg.FullSoftmax || items <= cfg.Negatives {
		s := &sampler{ids: make([]int32, (items+fullPad-1)/fullPad*fullPad), drawn: make([]bool, vocab)}
		s.inverse = make([]float32, len(s.ids))
		for i := range items {
			s.ids[i], s.inverse[i], s.drawn[i+1] = int32(i+1), 1, true
		}
		return s
	}
	p := make([]float64, vocab)
	var sum float64
	for i := 1; i < vocab; i++ {
		p[i] = math.Pow(float64(counts[i]), 0.75)
		sum += p[i]
	}
	for i := 1; i < vocab; i++ {
		p[i] = cfg.Smoothing/float64(vocab-1) + (1-cfg.Smoothing)*p[i]/max(sum, 1)
	}
	s := &sampler{ids: make([]int32, cfg.Negatives), inverse: make([]float32, cfg.Negatives), drawn: make([]bool, vocab)}
	s.chance = inclusion(p, cfg.Negatives)
	return s
}

// inclusion scales p to chances that add up to k, none above 1.
func inclusion(p []float64, k int) []float64 {
	chance := make([]float64, len(p))
	sure := 0
	for {
		var rest float64
		for i, v := range p {
			if chance[i] < 1 {
				rest += v
			}
		}
		scale, more := float64(k-sure)/rest, false
		for i, v := range p {
			if chance[i] >= 1 {
				continue
			}
			if chance[i] = v * scale; chance[i] >= 1 {
				chance[i], more = 1, true
				sure++
			}
		}
		if !more {
			return chance
		}
	}
}

// draw takes a new sample: systematic sampling (Madow 1949) over the items in a random order, which gives every item
// exactly its chance.
func (s *sampler) draw(rng *rand.Rand) {
	if s.chance == nil {
		return
	}
	for _, id := range s.ids {
		s.drawn[id] = false
	}
	n := len(s.chance) - 1
	// A random rotation and a random step coprime to n reorder the items without a permutation of the whole catalogue.
	at, step := rng.IntN(n), stride(n, rng)
	next, sum, k := rng.Float64(), 0.0, 0
	for range n {
		id := at + 1
		sum += s.chance[id]
		if sum > next && k < len(s.ids) {
			s.ids[k], s.inverse[k], s.drawn[id] = int32(id), float32(1/s.chance[id]), true
			next++
			k++
		}
		if at += step; at >= n {
			at -= n
		}
	}
	for ; k < len(s.ids); k++ { // rounding of the sum may leave the last place empty
		s.ids[k], s.inverse[k] = 0, 0
	}
	s.drawn[0] = false
}

// stride draws a number below n that has no divisor in common with it.
func stride(n int, rng *rand.Rand) int {
	for {
		s := 1 + rng.IntN(max(n-1, 1))
		a, b := n, s
		for b != 0 {
			a, b = b, a%b
		}
		if a == 1 {
			return s
		}
	}
}

// weights is what the term of each place is multiplied with.
func (s *sampler) weights() []float32 {
	if !s.binary {
		return s.inverse
	}
	out := make([]float32, len(s.inverse))
	for i, v := range s.inverse {
		out[i] = v * float32(s.share())
	}
	return out
}

// share is how much of the catalogue is sampled.
func (s *sampler) share() float64 {
	if s.chance == nil {
		return 1
	}
	return float64(len(s.ids)) / float64(len(s.chance)-1)
}

// own is what the term of a target must be multiplied with so that the sampled sum holds it exactly once, in a binary loss not at all.
func (s *sampler) own(id int32) float32 {
	switch {
	case s.binary && !s.drawn[id]:
		return 0
	case s.binary && s.chance == nil:
		return -1
	case s.binary:
		return float32(-s.share() / s.chance[id])
	case !s.drawn[id]:
		return 1
	case s.chance == nil:
		return 0
	default:
		return float32(1 - 1/s.chance[id])
	}
}
