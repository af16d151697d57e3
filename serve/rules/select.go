package rules

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/softrec/softrec/schema"
)

// Candidate is an item that may be shown, with the ranker's score.
type Candidate struct {
	ID    string
	Score float64
}

// Pool is what Select chooses from and works with.
type Pool struct {
	Candidates []Candidate // allowed ones, each once, best first
	Complete   bool        // there are no other allowed items that could be shown
	N          int         // items wanted
	Seed       string      // of the draws, where the spec names none
	Now        time.Time
	Linear     bool // scores are counts or likenesses: a boost multiplies them; false: they are logits, and a boost adds its logarithm

	Item   func(id string) (schema.Item, bool) // the catalogue
	Vector func(id string) []float32           // the model's, for likeness; nil func or result: titles and categories are compared
	MayPin func(id string) bool                // whether a pinned item may be shown at all; filter and pages are looked at here
	Ended  func() bool                         // nobody wants the list any more, and what Select returns does not matter; nil: never
}

// Pick is one item of the list.
type Pick struct {
	ID         string
	At         int     // in Pool.Candidates, -1 for a pinned item
	Score      float64 // boosts counted; 0 for a pinned item
	Pinned     bool
	Propensity float64  // with Explore: the probability that this item stands at this place, given those above; 0 without
	Why        []string // with Explain: what the rules did
}

// List is what Select made of a pool.
type List struct {
	Picks []Pick
	More  bool // allowed items are left for another page

	selection *selection
}

// Full reports whether a cap forbids one more item of these categories: a larger pool of such items would not make the list longer.
func (l List) Full(categories []string) bool { return l.selection.full(categories) }

// Select arranges a list of up to n items. One that is shorter although the pool is not complete wants a larger pool.
func (r *Rules) Select(p Pool) List {
	s := r.arrange(p)
	for len(s.picks) < p.N && !s.ended() {
		if pin, ok := s.pinDue(); ok {
			s.pin(pin)
			continue
		}
		if !s.choose() {
			break
		}
	}
	for len(s.picks) < p.N && p.Complete && len(s.pins) > 0 { // the list ends before their places
		s.pin(s.pins[0])
	}
	return List{Picks: s.picks, More: len(s.alive) > 0 || len(s.pins) > 0 || !p.Complete, selection: s}
}

// selection is one run of Select.
type selection struct {
	r     *Rules
	p     Pool
	cands []candidate
	alive []int // candidates that are left, best first
	pins  []Pin // that are left, by position
	used  map[string]int
	near  *nearness // nil without diversity
	rng   *rand.Rand
	odds  []float64
	picks []Pick
}

// candidate is a Candidate after boosts.
type candidate struct {
	at         int
	id         string
	score      float64
	factor     float64
	why        []string
	categories []string // with caps
}

func (s *selection) ended() bool { return s.p.Ended != nil && s.p.Ended() }

func (r *Rules) arrange(p Pool) *selection {
	s := &selection{r: r, p: p, picks: make([]Pick, 0, min(p.N, len(p.Candidates)+len(r.pins)))}
	pinned := map[string]bool{}
	for _, pin := range r.pins {
		if !s.ended() && !r.page.Served(pin.Item) && p.MayPin(pin.Item) && (r.filter == nil || r.filter.Match(itemOf(pin.Item, p.Item), r.Now(p.Now))) {
			s.pins = append(s.pins, pin)
			pinned[pin.Item] = true
		}
	}
	s.cands = make([]candidate, 0, len(p.Candidates))
	for i, c := range p.Candidates {
		if s.ended() {
			break
		}
		if pinned[c.ID] {
			continue
		}
		if k := s.candidate(i, c); r.spec.MinScore == nil || k.score >= *r.spec.MinScore {
			s.cands = append(s.cands, k)
		}
	}
	if len(r.boosts) > 0 {
		slices.SortStableFunc(s.cands, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.factor, a.factor))
		})
	}
	s.alive = make([]int, len(s.cands))
	for i := range s.alive {
		s.alive[i] = i
	}
	if len(r.spec.Caps) > 0 {
		s.used = map[string]int{}
	}
	if r.diversifies() {
		s.near = newNearness(s)
	}
	if r.Explores() {
		s.rng = generator(cmp.Or(r.spec.Explore.Seed, p.Seed), r.page.Len())
	}
	return s
}

// candidate applies the boosts.
func (s *selection) candidate(at int, c Candidate) candidate {
	k := candidate{at: at, id: c.ID, score: c.Score, factor: 1}
	if len(s.r.boosts) == 0 && len(s.r.spec.Caps) == 0 {
		return k
	}
	it := itemOf(c.ID, s.p.Item)
	k.categories = it.Categories
	for _, b := range s.r.boosts {
		if b.when.Match(it, s.r.Now(s.p.Now)) {
			k.factor *= b.factor
			if s.r.spec.Explain {
				k.why = append(k.why, fmt.Sprintf("boosted by %g: %s", b.factor, b.when.Text()))
			}
		}
	}
	switch {
	case k.factor == 1:
	case s.p.Linear:
		k.score *= k.factor
	default:
		k.score += math.Log(k.factor)
	}
	return k
}

// pinDue is the pin of the place that comes next.
func (s *selection) pinDue() (Pin, bool) {
	place := s.r.page.Len() + len(s.picks) + 1
	if len(s.pins) > 0 && s.pins[0].Position <= place { // below: its page was shorter than it should have been
		return s.pins[0], true
	}
	return Pin{}, false
}

func (s *selection) pin(pin Pin) {
	s.pins = s.pins[1:]
	out := Pick{ID: pin.Item, At: -1, Pinned: true}
	if s.r.Explores() {
		out.Propensity = 1
	}
	if s.r.spec.Explain {
		out.Why = []string{fmt.Sprintf("pinned at place %d", pin.Position)}
	}
	if s.used != nil {
		s.count(itemOf(pin.Item, s.p.Item).Categories)
	}
	if s.near != nil {
		s.near.shown(s.near.feature(pin.Item))
	}
	s.picks = append(s.picks, out)
}

// choose takes the best item left that the caps allow, or draws one, and reports whether there was one.
func (s *selection) choose() bool {
	best := -1 // in s.alive
	top := math.Inf(-1)
	for i, c := range s.alive {
		if s.capped(c) {
			continue
		}
		if s.near == nil {
			best = i
			break
		}
		if v := s.near.value(c); v > top {
			best, top = i, v
		}
	}
	if best < 0 {
		return false
	}
	taken, propensity, drawn := best, 0.0, false
	if s.rng != nil {
		taken, propensity, drawn = s.draw(best)
	}
	c := s.alive[taken]
	s.alive = slices.Delete(s.alive, taken, taken+1)
	k := s.cands[c]
	out := Pick{ID: k.id, At: k.at, Score: k.score, Propensity: propensity}
	if s.r.spec.Explain {
		out.Why = k.why
		if s.near != nil && len(s.picks) > 0 {
			out.Why = append(out.Why, fmt.Sprintf("likeness to what stands above: %.2f at most", s.near.most[c]))
		}
		if drawn {
			out.Why = append(out.Why, fmt.Sprintf("drawn to explore, with probability %.4g", propensity))
		}
	}
	if s.used != nil {
		s.count(k.categories)
	}
	if s.near != nil {
		s.near.shown(s.near.features[c])
	}
	s.picks = append(s.picks, out)
	return true
}

// capped reports whether candidate c would be one too many of some category.
func (s *selection) capped(c int) bool { return s.full(s.cands[c].categories) }

func (s *selection) full(categories []string) bool {
	if s.used == nil {
		return false
	}
	for _, cat := range categories {
		most, ok := s.r.spec.Caps[cat]
		if !ok {
			most, ok = s.r.spec.Caps[AnyCategory]
		}
		if ok && s.used[cat] >= most {
			return true
		}
	}
	return false
}

func (s *selection) count(categories []string) {
	for i, c := range categories {
		if !slices.Contains(categories[:i], c) {
			s.used[c]++
		}
	}
}
