package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// generator is the source of one list's draws: it depends on the seed and on how many items the pages before showed.
func generator(seed string, served int) *rand.Rand {
	sum := sha256.Sum256(binary.LittleEndian.AppendUint32([]byte("softrec explore\x00"+seed), uint32(served)))
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:8]), binary.LittleEndian.Uint64(sum[8:16])))
}

// draw takes with the spec's share one of the items left, by its odds, and otherwise best, and says how probable the outcome
// was: share times its odds, plus the rest if it is best. It always takes two numbers from the source, so that one
// place's outcome does not move the draws of the others.
func (s *selection) draw(best int) (taken int, propensity float64, drawn bool) {
	e := s.r.spec.Explore
	total := s.weigh(e)
	coin, point := s.rng.Float64(), s.rng.Float64()*total
	taken = best
	if coin < e.Share {
		drawn = true
		for i, w := range s.odds {
			if w > 0 {
				taken = i
			}
			if point -= w; point < 0 && w > 0 {
				break
			}
		}
	}
	propensity = e.Share * s.odds[taken] / total
	if taken == best {
		propensity += 1 - e.Share
	}
	return taken, propensity, drawn
}

// weigh fills s.odds, parallel to s.alive, and returns their sum. What a cap forbids has none.
func (s *selection) weigh(e *Explore) (total float64) {
	s.odds = s.odds[:0]
	top := math.Inf(-1)
	for _, c := range s.alive {
		top = max(top, s.cands[c].score)
	}
	temperature := e.Temperature
	if temperature == 0 {
		temperature = 1
	}
	for _, c := range s.alive {
		w := 1.0
		switch {
		case s.capped(c):
			w = 0
		case e.By != ExploreUniform:
			w = max(math.Exp((s.cands[c].score-top)/temperature), 1e-300)
		}
		s.odds = append(s.odds, w)
		total += w
	}
	return total
}
