package cooccurrence

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
)

// Unrelated is the distance of items of which the map knows nothing in common: that of two orthogonal unit vectors.
const Unrelated = math.Sqrt2

// DefaultDim is how many numbers place an item.
const DefaultDim = 64

// Space is a map of items. Every item on it has a vector of length 1.
type Space struct {
	dim     int
	place   map[int32]int // of an item in vectors; items that are not there have no company
	vectors []float64
}

// New makes a map of dim dimensions, or as many as the items that were told of allow. taken tells of items that were
// taken after a history, the pairs of each item of the history with the one that was taken are counted; an item beside itself is
// not counted. It is an error where dim is not at least 1.
func New(dim int, taken iter.Seq2[[]int32, int32]) (*Space, error) {
	if dim < 1 {
		return nil, fmt.Errorf("co-occurrence space of %d dimensions: want at least 1", dim)
	}
	s := &Space{place: map[int32]int{}}
	m := s.information(count(taken))
	s.dim = min(dim, m.size())
	s.vectors = m.factor(s.dim)
	for i, p := range s.place {
		if !normalise(s.vectors[p*s.dim:][:s.dim]) {
			delete(s.place, i)
		}
	}
	return s, nil
}

// Len is the number of items on the map.
func (s *Space) Len() int { return len(s.place) }

// Distance is the Euclidean one between two items, 0 to 2: 0 of an item from itself, and Unrelated where one of two is not on the map.
func (s *Space) Distance(a, b int32) float64 {
	if a == b {
		return 0
	}
	p, ok := s.place[a]
	q, and := s.place[b]
	if !ok || !and {
		return Unrelated
	}
	x, y := s.vectors[p*s.dim:][:s.dim], s.vectors[q*s.dim:][:s.dim]
	var sum float64
	for i, v := range x {
		sum += (v - y[i]) * (v - y[i])
	}
	return math.Sqrt(sum)
}

// normalise brings v to length 1; it fails where v has none.
func normalise(v []float64) bool {
	var sum float64
	for _, x := range v {
		sum += x * x
	}
	if length := math.Sqrt(sum); length > 1e-9 {
		for i := range v {
			v[i] /= length
		}
		return true
	}
	return false
}

// pair is two different items in one company, the lower number first.
type pair struct{ a, b int32 }

// count counts pairs, in the order of their numbers.
func count(taken iter.Seq2[[]int32, int32]) ([]pair, []float64) {
	seen := map[pair]float64{}
	for history, item := range taken {
		for _, h := range history {
			if h != item {
				seen[pair{min(h, item), max(h, item)}]++
			}
		}
	}
	pairs := make([]pair, 0, len(seen))
	for p := range seen {
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(x, y pair) int { return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b)) })
	times := make([]float64, len(pairs))
	for i, p := range pairs {
		times[i] = seen[p]
	}
	return pairs, times
}

// contextPower flattens how often contexts occur, so that rare ones do not rule (Levy, Goldberg and Dagan 2015).
const contextPower = 0.75

// information is the positive pointwise mutual information of the pairs, both directions averaged so that it is symmetric.
func (s *Space) information(pairs []pair, times []float64) *sparse {
	var occurs []float64
	at := func(item int32) int {
		p, ok := s.place[item]
		if !ok {
			p = len(occurs)
			s.place[item], occurs = p, append(occurs, 0)
		}
		return p
	}
	var total float64
	for i, p := range pairs {
		occurs[at(p.a)] += times[i]
		occurs[at(p.b)] += times[i]
		total += 2 * times[i]
	}
	var contexts float64
	for _, n := range occurs {
		contexts += math.Pow(n, contextPower)
	}
	m := newSparse(len(occurs))
	for i, p := range pairs {
		x, y := s.place[p.a], s.place[p.b]
		joint := math.Log(times[i] / total)
		given := func(item, context int) float64 {
			return max(0, joint-math.Log(occurs[item]/total)-math.Log(math.Pow(occurs[context], contextPower)/contexts))
		}
		if v := (given(x, y) + given(y, x)) / 2; v > 0 {
			m.set(x, y, v)
		}
	}
	return m
}
