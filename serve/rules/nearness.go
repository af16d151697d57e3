package rules

import (
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"github.com/softrec/softrec/schema"
)

// nearness is the state of maximal marginal relevance (Carbonell and Goldstein 1998): the value of an item is lambda
// times its relevance, the score on the scale 0 to 1 of the pool, less (1 - lambda) times its greatest likeness to an item
// above it.
type nearness struct {
	s         *selection
	lambda    float64
	relevance []float64
	features  []feature
	most      []float64 // greatest likeness so far
	seed      maphash.Seed
}

// feature is what likeness is computed from.
type feature struct {
	vector []float32 // the model's, nil where it has none
	length float64
	words  []uint64 // of title and categories, sorted, each once
}

func newNearness(s *selection) *nearness {
	n := &nearness{s: s, lambda: *s.r.spec.MMRLambda, seed: maphash.MakeSeed()}
	low, high := math.Inf(1), math.Inf(-1)
	for _, c := range s.cands {
		low, high = min(low, c.score), max(high, c.score)
	}
	for _, c := range s.cands {
		rel := 1.0
		if high > low {
			rel = (c.score - low) / (high - low)
		}
		n.relevance = append(n.relevance, rel)
		var f feature // nothing once the list is not wanted any more
		if !s.ended() {
			f = n.feature(c.id)
		}
		n.features = append(n.features, f)
	}
	n.most = make([]float64, len(s.cands))
	return n
}

func (n *nearness) feature(id string) feature {
	var f feature
	if n.s.p.Vector != nil {
		f.vector = n.s.p.Vector(id)
		f.length = math.Sqrt(dot(f.vector, f.vector))
	}
	it, _ := n.s.p.Item(id)
	f.words = n.words(it)
	return f
}

// words are the words of the title and the categories as a sorted set. The hash's seed lives for one list, sets never leave it.
func (n *nearness) words(it schema.Item) []uint64 {
	out := make([]uint64, 0, 8+len(it.Categories))
	for w := range strings.FieldsSeq(strings.ToLower(it.Title)) {
		out = append(out, maphash.String(n.seed, "t"+w))
	}
	for _, c := range it.Categories {
		out = append(out, maphash.String(n.seed, "c"+c))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// value is what candidate c is worth at the next place.
func (n *nearness) value(c int) float64 {
	return n.lambda*n.relevance[c] - (1-n.lambda)*n.most[c]
}

// shown takes note of an item in the list.
func (n *nearness) shown(f feature) {
	for _, c := range n.s.alive {
		n.most[c] = max(n.most[c], likeness(n.features[c], f))
	}
}

// likeness is 0 to 1: the cosine of two items' vectors, or where one has none, the share of words they have in common.
func likeness(a, b feature) float64 {
	if a.length > 0 && b.length > 0 && len(a.vector) == len(b.vector) {
		return max(0, dot(a.vector, b.vector)/(a.length*b.length))
	}
	common, i, j := 0, 0, 0
	for i < len(a.words) && j < len(b.words) {
		switch {
		case a.words[i] < b.words[j]:
			i++
		case a.words[i] > b.words[j]:
			j++
		default:
			common, i, j = common+1, i+1, j+1
		}
	}
	if union := len(a.words) + len(b.words) - common; union > 0 {
		return float64(common) / float64(union)
	}
	return 0
}

func dot(a, b []float32) float64 {
	sum := float32(0)
	for i, v := range a {
		sum += v * b[i]
	}
	return float64(sum)
}
