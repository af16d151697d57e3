package rules

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/softrec/softrec/schema"
)

// world is a random catalogue and pool.
type world struct {
	rng   *rand.Rand
	items map[string]schema.Item
	pool  []Candidate
}

func newWorld(seed uint64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 7)), items: map[string]schema.Item{}}
	score := 3.0
	for i := range 5 + w.rng.IntN(60) {
		id := fmt.Sprintf("i%02d", i)
		it := schema.Item{ID: id, Title: fmt.Sprintf("word%d thing%d", w.rng.IntN(4), w.rng.IntN(9)), Attributes: map[string]any{"price": float64(w.rng.IntN(30))}}
		it.Categories = []string{fmt.Sprint("c", w.rng.IntN(4))}
		if w.rng.IntN(4) > 0 { // some were never described
			w.items[id] = it
		}
		score -= w.rng.Float64() * 0.3
		w.pool = append(w.pool, Candidate{ID: id, Score: score})
	}
	return w
}

func (w *world) item(id string) (schema.Item, bool) { it, ok := w.items[id]; return it, ok }

func (w *world) spec() Spec {
	var s Spec
	if w.rng.IntN(2) == 0 {
		s.Caps = map[string]int{AnyCategory: 1 + w.rng.IntN(4)}
		if w.rng.IntN(2) == 0 {
			s.Caps["c1"] = w.rng.IntN(3)
		}
	}
	if w.rng.IntN(2) == 0 {
		s.Boosts = []Boost{{When: "price < 10", Factor: 3}, {When: `category == "c2"`, Factor: 0.5}}
	}
	if w.rng.IntN(3) == 0 {
		l := w.rng.Float64()
		s.MMRLambda = &l
	}
	if w.rng.IntN(3) == 0 {
		s.Explore = &Explore{Share: w.rng.Float64(), By: []string{"", ExploreUniform}[w.rng.IntN(2)]}
	}
	if w.rng.IntN(3) == 0 {
		m := -1.0
		s.MinScore = &m
	}
	for i := range w.rng.IntN(4) {
		s.Pins = append(s.Pins, Pin{Item: fmt.Sprintf("i%02d", 9*i+w.rng.IntN(9)), Position: 1 + 3*i + w.rng.IntN(3)})
	}
	s.Explain = w.rng.IntN(2) == 0
	return s
}

func compiled(t testing.TB, s Spec, of ...string) *Rules {
	t.Helper()
	r, err := NewCompiler(1<<20).Compile(s, of...)
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	return r
}

func (w *world) poolOf(n int, seed string) Pool {
	return Pool{Candidates: w.pool, Complete: true, N: n, Seed: seed, Now: testNow, Item: w.item, MayPin: func(string) bool { return true }}
}

// TestSelect_capsPinsAndFullness draws worlds and rules: caps and pins hold, nothing comes twice, what is left out of a short
// list a cap or the least score forbids, propensities are probabilities, and the same again is the same.
func TestSelect_capsPinsAndFullness(t *testing.T) {
	for seed := range uint64(400) {
		w := newWorld(seed)
		spec, n := w.spec(), 1+w.rng.IntN(30)
		r := compiled(t, spec)
		list := r.Select(w.poolOf(n, "seed"))
		again := r.Select(w.poolOf(n, "seed"))
		shown, perCategory := map[string]bool{}, map[string]int{}
		if len(list.Picks) > n {
			t.Fatalf("world %d: %d items, wanted %d", seed, len(list.Picks), n)
		}
		for i, p := range list.Picks {
			if shown[p.ID] {
				t.Fatalf("world %d: %s twice", seed, p.ID)
			}
			shown[p.ID] = true
			if p.ID != again.Picks[i].ID || p.Propensity != again.Picks[i].Propensity {
				t.Fatalf("world %d: place %d is %+v and then %+v", seed, i, p, again.Picks[i])
			}
			if !p.Pinned {
				for _, c := range w.items[p.ID].Categories {
					perCategory[c]++
					if most, ok := capOf(spec, c); ok && perCategory[c] > most {
						t.Fatalf("world %d: %d items of %s, at most %d", seed, perCategory[c], c, most)
					}
				}
				if spec.MinScore != nil && p.Score < *spec.MinScore {
					t.Fatalf("world %d: score %v below %v", seed, p.Score, *spec.MinScore)
				}
			} else {
				for _, c := range w.items[p.ID].Categories {
					perCategory[c]++
				}
			}
			if explores := r.Explores(); explores != (p.Propensity > 0) || p.Propensity > 1+1e-9 {
				t.Fatalf("world %d: propensity %v", seed, p.Propensity)
			}
		}
		for _, pin := range spec.Pins {
			switch {
			case pin.Position <= len(list.Picks) && list.Picks[pin.Position-1].ID != pin.Item && !shown[pin.Item]:
				t.Fatalf("world %d: pin %+v is not in %v", seed, pin, list.Picks)
			case len(list.Picks) == n && pin.Position <= n && list.Picks[pin.Position-1].ID != pin.Item && !endsWithPins(list.Picks, spec.Pins):
				t.Fatalf("world %d: pin %+v is not at its place in %v", seed, pin, list.Picks)
			}
		}
		if len(list.Picks) == n {
			continue
		}
		for _, c := range w.pool { // the oracle of fullness
			if shown[c.ID] {
				continue
			}
			it := itemOf(c.ID, w.item)
			full := false
			for _, cat := range it.Categories {
				most, ok := capOf(spec, cat)
				full = full || ok && perCategory[cat] >= most
			}
			score := c.Score
			for _, b := range r.boosts {
				if b.when.Match(it, testNow) {
					score += math.Log(b.factor)
				}
			}
			if low := spec.MinScore != nil && score < *spec.MinScore; !full && !low {
				t.Fatalf("world %d: %d of %d items, but %s could be shown", seed, len(list.Picks), n, c.ID)
			}
		}
	}
}

// endsWithPins reports whether the list ended before the places of some pins.
func endsWithPins(picks []Pick, pins []Pin) bool {
	last := picks[len(picks)-1]
	return slices.ContainsFunc(pins, func(p Pin) bool { return p.Item == last.ID && p.Position != len(picks) })
}

func capOf(s Spec, category string) (int, bool) {
	most, ok := s.Caps[category]
	if !ok {
		most, ok = s.Caps[AnyCategory]
	}
	return most, ok
}

// TestSelect_pages walks lists to their end: every item that may be shown comes once, also when scores change between pages.
func TestSelect_pages(t *testing.T) {
	for seed := range uint64(200) {
		w := newWorld(seed)
		spec, n := w.spec(), 1+w.rng.IntN(9)
		spec.MinScore, spec.Paged = nil, true
		if zero := spec.Caps["c1"] == 0; zero {
			delete(spec.Caps, "c1") // 0 forbids for ever
		}
		shown := map[string]bool{}
		for page := 0; ; page++ {
			if page > 200 {
				t.Fatalf("world %d: no end", seed)
			}
			r := compiled(t, spec, "user", "u")
			p := w.poolOf(n, fmt.Sprint("page ", page))
			allow := r.Allows(nil, testNow, w.item)
			p.Candidates = nil
			for _, c := range w.pool {
				if allow(c.ID) {
					p.Candidates = append(p.Candidates, Candidate{c.ID, w.rng.Float64()}) // another model
				}
			}
			slices.SortFunc(p.Candidates, func(a, b Candidate) int {
				if a.Score > b.Score {
					return -1
				}
				return 1
			})
			list := r.Select(p)
			var ids []string
			for i, pick := range list.Picks {
				if shown[pick.ID] {
					t.Fatalf("world %d page %d: %s again", seed, page, pick.ID)
				}
				shown[pick.ID] = true
				ids = append(ids, pick.ID)
				place := r.Page().Len() + i + 1
				for _, pin := range spec.Pins {
					if pin.Position == place && pick.ID != pin.Item && !shown[pin.Item] {
						t.Fatalf("world %d page %d: place %d is %s, not the pinned %s", seed, page, place, pick.ID, pin.Item)
					}
				}
			}
			if !list.More || len(ids) == 0 {
				break
			}
			spec.After = r.Page().Next(ids)
		}
		for _, c := range w.pool {
			if !shown[c.ID] {
				t.Fatalf("world %d: %s was skipped", seed, c.ID)
			}
		}
	}
}

// TestSelect_propensities draws many lists of one place and compares how often each item came with its propensity.
func TestSelect_propensities(t *testing.T) {
	w := newWorld(3)
	w.pool = w.pool[:5]
	for _, e := range []Explore{{Share: 0.5, By: ExploreUniform}, {Share: 1}, {Share: 0.3, Temperature: 0.5}} {
		r := compiled(t, Spec{Explore: &e})
		const draws = 20_000
		came, said := map[string]int{}, map[string]float64{}
		for i := range draws {
			pick := r.Select(w.poolOf(1, fmt.Sprint(i))).Picks[0]
			came[pick.ID]++
			if p, ok := said[pick.ID]; ok && math.Abs(p-pick.Propensity) > 1e-12 {
				t.Fatalf("%+v: %s has propensities %v and %v", e, pick.ID, p, pick.Propensity)
			}
			said[pick.ID] = pick.Propensity
		}
		total := 0.0
		for id, p := range said {
			total += p
			if got, sd := float64(came[id])/draws, math.Sqrt(p*(1-p)/draws); math.Abs(got-p) > 5*sd+1e-9 {
				t.Errorf("%+v: %s came in %.4f of the draws, propensity %.4f", e, id, got, p)
			}
		}
		if math.Abs(total-1) > 0.01 {
			t.Errorf("%+v: propensities add up to %v", e, total)
		}
	}
}

func TestSelect_diversity(t *testing.T) {
	items := map[string]schema.Item{
		"a1": {ID: "a1", Title: "red bag"}, "a2": {ID: "a2", Title: "red bag"}, "b": {ID: "b", Title: "blue shoe"},
	}
	p := Pool{Candidates: []Candidate{{"a1", 3}, {"a2", 2.9}, {"b", 2}}, Complete: true, N: 3, Now: testNow,
		Item: func(id string) (schema.Item, bool) { it, ok := items[id]; return it, ok }, MayPin: func(string) bool { return true }}
	order := func(lambda float64) (ids []string) {
		for _, pick := range compiled(t, Spec{MMRLambda: &lambda, Explain: true}).Select(p).Picks {
			ids = append(ids, pick.ID)
		}
		return ids
	}
	if got := order(1); !slices.Equal(got, []string{"a1", "a2", "b"}) {
		t.Errorf("lambda 1: %v", got)
	}
	if got := order(0.5); !slices.Equal(got, []string{"a1", "b", "a2"}) {
		t.Errorf("lambda 0.5: %v", got)
	}
	// The model's vectors go before words: to it a2 is nothing like a1, and b is the same.
	p.Vector = func(id string) []float32 {
		return map[string][]float32{"a1": {1, 0}, "a2": {0, 1}, "b": {2, 0}}[id]
	}
	if got := order(0.2); !slices.Equal(got, []string{"a1", "a2", "b"}) {
		t.Errorf("by vectors: %v", got)
	}
}

func TestSelect_boosts(t *testing.T) {
	items := map[string]schema.Item{"b": {ID: "b", Attributes: map[string]any{"sale": true}}}
	p := Pool{Candidates: []Candidate{{"a", -1}, {"b", -1.5}, {"c", -2}}, Complete: true, N: 3, Now: testNow,
		Item: func(id string) (schema.Item, bool) { it, ok := items[id]; return it, ok }, MayPin: func(string) bool { return true }}
	r := compiled(t, Spec{Boosts: []Boost{{"sale", 2}}, Explain: true})
	best := r.Select(p).Picks[0]
	if best.ID != "b" || math.Abs(best.Score-(-1.5+math.Log(2))) > 1e-12 || !slices.Equal(best.Why, []string{"boosted by 2: sale"}) {
		t.Errorf("logits: %+v", best)
	}
	p.Linear, p.Candidates = true, []Candidate{{"a", 3}, {"b", 2}, {"c", 0}}
	if best := r.Select(p).Picks[0]; best.ID != "b" || best.Score != 4 {
		t.Errorf("counts: %+v", best)
	}
}

func BenchmarkSelect(b *testing.B) {
	w := newWorld(1)
	w.pool = w.pool[:0]
	for i := range 200 {
		id := fmt.Sprintf("x%03d", i)
		w.items[id] = schema.Item{ID: id, Title: fmt.Sprintf("word%d thing%d", i%7, i%13), Categories: []string{fmt.Sprint("c", i%9)}, Attributes: map[string]any{"price": float64(i)}}
		w.pool = append(w.pool, Candidate{id, float64(-i)})
	}
	half := 0.5
	for name, s := range map[string]Spec{
		"caps": {Caps: map[string]int{AnyCategory: 2}}, "boosts": {Boosts: []Boost{{"price < 20", 2}}}, "mmr": {MMRLambda: &half}, "explore": {Explore: &Explore{Share: 0.1}},
	} {
		b.Run(name, func(b *testing.B) {
			r := compiled(b, s)
			b.ReportAllocs()
			for b.Loop() {
				r.Select(w.poolOf(10, "s"))
			}
		})
	}
}
