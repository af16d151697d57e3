package serve

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rules"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// vectors is what a ranker may have for telling how alike items are; *ranker.Bundle does.
type vectors interface {
	Vector(item string) []float32
}

// listQuery makes a query of parameters for the list named by its parts.
func (s *Server) listQuery(p ListParams, of ...string) (query, error) {
	if p.Rules.spec == nil && s.rules.fallback == nil {
		return p.query(s.cfg.DefaultItems).about(of).logging(p.Logging), nil
	}
	var spec rules.Spec
	if p.Rules.spec != nil {
		spec = *p.Rules.spec
	}
	spec.N, spec.Explain = p.N, p.Explain
	plain := p.query(s.cfg.DefaultItems)
	if len(plain.categories) > 0 {
		spec.Categories = plain.categories
	}
	for id := range plain.exclude {
		spec.Exclude = append(spec.Exclude, id)
	}
	q, err := s.ruledQuery(spec, "query", of...)
	return q.logging(p.Logging), err
}

// ruledQuery makes a query of a spec that came from the query or from a body, for the list named by its parts.
func (s *Server) ruledQuery(spec rules.Spec, from string, of ...string) (query, error) {
	spec, err := s.rules.complete(spec)
	if err != nil {
		return query{}, badRules(from, err)
	}
	q := query{n: spec.N, explain: spec.Explain, categories: spec.Categories}.about(of)
	if q.n == 0 {
		q.n = s.cfg.DefaultItems
	}
	compiled, err := s.rules.compiler.Compile(spec, of...)
	if err != nil {
		return query{}, badRules(from, err)
	}
	for _, id := range spec.Exclude {
		q.leaveOut(id)
	}
	if seen := spec.FilterSeen; seen != nil && seen.All() {
		q.filterSeen = true
	}
	if !compiled.Plain() {
		q.rules = compiled
	}
	if compiled.Explores() {
		if q.id, err = newRecommendationID(); err != nil {
			return query{}, err
		}
	}
	return q, nil
}

// logging is q as the request wants it logged.
func (q query) logging(want Logging) query {
	q.unlogged = want.Log == "false" || want.Head.is
	return q
}

// about says which list q is for, by the parts of its name.
func (q query) about(of []string) query {
	switch of[0] {
	case "user":
		q.list, q.user = schema.ListUser, of[1]
	case "item":
		q.list = schema.ListSimilar
	case "popular":
		q.list = schema.ListPopular
	case "session":
		q.list = schema.ListSession
	}
	return q
}

// key is equal for queries that ask for the same list of one window.
func (q query) key(history []schema.Interaction, now time.Time) string {
	if q.rules == nil {
		return q.canonical()
	}
	return "r" + q.canonical() + "\x00" + q.rules.Key(history, now)
}

// keepable reports whether the list may be kept for the next request that asks for it.
func (q query) keepable() bool { return q.rules == nil || !q.rules.Explores() && !q.rules.Paged() }

// source is where a list's items come from.
type source struct {
	rank   func(n int, allow func(id string) bool) []ranker.Scored
	allow  func(id string) bool
	linear bool // see rules.Pool
}

func (s *Server) recommendByRules(ctx context.Context, live *Live, history []schema.Interaction, reading ranker.Reading, q query, now time.Time) answerList {
	var text *ranker.Text
	if live != nil && reading != nil {
		text = s.deps.Texts.Score(reading)
	}
	return s.byRules(ctx, live, source{allow: q.allows(s.deps.Catalogue), rank: func(n int, allow func(string) bool) []ranker.Scored {
		if live == nil {
			return nil
		}
		defer q.span.Child("rank").End(nil)
		return live.Ranker.Rank(ranker.Request{History: history, Now: now, N: n, Allow: allow, ExcludeHistory: q.filterSeen, Explain: q.explain, Text: text})
	}}, history, q, now)
}

// minPool is how many items rules that rearrange choose from at least, poolShare how many for each one wanted.
const (
	minPool   = 200
	poolShare = 5
)

// rulesPatience is how long the rules of a request, or of a batch, may take. Over a large catalogue they have work that grows with it.
const rulesPatience = 5 * time.Second

// byRules lists what q's rules make of a source. It looks for items in rounds: where the rules need more than a round brought, the
// next asks for what the caps still allow. So the list is filled whenever that many allowed items exist.
func (s *Server) byRules(ctx context.Context, live *Live, from source, history []schema.Interaction, q query, now time.Time) answerList {
	end := q.rulesEnd
	if end.IsZero() {
		end = time.Now().Add(rulesPatience)
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	ended := func() bool { return ctx.Err() != nil } // asked for each item: it costs less than any rule
	mine := q.rules.Allows(history, now, s.deps.Catalogue.Item)
	allow := func(id string) bool { return from.allow(id) && !ended() && mine(id) }
	pool := &itemPool{s: s, have: map[string]struct{}{}}
	want := rules.Pool{
		N: q.n, Seed: q.id, Now: now, Linear: from.linear, Item: s.deps.Catalogue.Item, Ended: ended,
	}
	known := s.pinnable(live, q.rules.Spec().Pins, now)
	want.MayPin = func(id string) bool { return known(id) && from.allow(id) }
	if live != nil {
		if v, ok := live.Ranker.(vectors); ok {
			want.Vector = v.Vector
		}
	}
	var list rules.List
	fresh := allow
	for ask := q.rules.PoolSize(q.n, poolShare, minPool); ; ask *= 4 {
		found := pool.fetch(from.rank, ask, fresh)
		want.Candidates, want.Complete = pool.candidates, found < ask || q.rules.Hopeless(pool.candidates, from.linear)
		choosing := q.span.Child("rules")
		list = q.rules.Select(want)
		choosing.End(nil)
		if ended() {
			return answerList{err: unavailable(time.Second, "the rules could not be carried out before the request ended, or within %s", rulesPatience)}
		}
		if len(list.Picks) == q.n || want.Complete {
			break
		}
		last := list
		fresh = func(id string) bool {
			if _, dup := pool.have[id]; dup || !allow(id) {
				return false
			}
			it, _ := s.deps.Catalogue.Item(id)
			return !last.Full(it.Categories)
		}
	}
	return s.listed(list, pool, q)
}

// pinnable tells the pinned items that exist from ids that nobody knows: those of the catalogue, and those that the model has counted.
func (s *Server) pinnable(live *Live, pins []rules.Pin, now time.Time) func(id string) bool {
	foreign := map[string]bool{} // not in the catalogue -> counted
	for _, pin := range pins {
		if _, ok := s.deps.Catalogue.Item(pin.Item); !ok {
			foreign[pin.Item] = false
		}
	}
	if live != nil && len(foreign) > 0 {
		for _, sc := range live.Ranker.Popular(now, len(foreign), func(id string) bool { _, ok := foreign[id]; return ok }) {
			foreign[sc.Item] = true
		}
	}
	return func(id string) bool {
		counted, isForeign := foreign[id]
		return counted || !isForeign
	}
}

// itemPool is what the rounds of one list found.
type itemPool struct {
	s          *Server
	candidates []rules.Candidate
	scored     []ranker.Scored // parallel
	have       map[string]struct{}
}

// fetch adds up to n allowed items, ranked ones and then the newest of the catalogue, and returns how many it found.
func (p *itemPool) fetch(rank func(int, func(string) bool) []ranker.Scored, n int, allow func(string) bool) (found int) {
	add := func(sc ranker.Scored) {
		if _, dup := p.have[sc.Item]; dup {
			return
		}
		p.have[sc.Item] = struct{}{}
		p.candidates = append(p.candidates, rules.Candidate{ID: sc.Item, Score: sc.Score})
		p.scored = append(p.scored, sc)
		found++
	}
	floor := 0.0
	if k := len(p.candidates); k > 0 {
		floor = min(floor, p.candidates[k-1].Score)
	}
	for _, sc := range rank(n, allow) {
		if sc.Score = finite(sc.Score); len(p.candidates) > 0 { // a later round's items come after those of the rounds before
			sc.Score = min(sc.Score, p.candidates[len(p.candidates)-1].Score)
		}
		floor = min(floor, sc.Score)
		add(sc)
	}
	for ask := 2 * n; found < n; ask *= 4 {
		newest := p.s.deps.Catalogue.Newest(ask)
		for _, id := range newest {
			if found == n {
				break
			}
			if _, dup := p.have[id]; !dup && allow(id) {
				add(ranker.Scored{Item: id, Score: floor, Source: schema.SourceCatalog})
			}
		}
		if len(newest) < ask {
			break
		}
	}
	return found
}

// listed makes an answer's items of picks, with the token of the next page where the rules ask for one.
func (s *Server) listed(list rules.List, pool *itemPool, q query) answerList {
	out := answerList{items: make([]schema.AnswerItem, len(list.Picks))}
	ids := make([]string, len(list.Picks))
	for i, pick := range list.Picks {
		it := schema.AnswerItem{ID: pick.ID, Title: s.title(pick.ID), Score: finite(pick.Score), Source: schema.SourcePinned, Propensity: pick.Propensity}
		if pick.At >= 0 {
			sc := pool.scored[pick.At]
			it.Source = sc.Source
			if q.explain {
				it.Parts, it.Why = sc.Parts, why(sc)
			}
		}
		it.Why = append(it.Why, pick.Why...)
		out.items[i], ids[i] = it, pick.ID
	}
	if q.rules.Paged() && list.More && len(ids) > 0 {
		out.next = q.rules.Page().Next(ids)
	}
	return out
}

// noteExploration logs what was shown with which propensity, so that outcomes can be weighted by it later.
func (s *Server) noteExploration(id string, live *Live, q query, items []schema.AnswerItem) {
	if q.rules == nil || !q.rules.Explores() {
		return
	}
	shown := make([]string, len(items))
	for i, it := range items {
		shown[i] = fmt.Sprintf("%s=%.6g", it.ID, it.Propensity)
	}
	e := q.rules.Spec().Explore
	s.log.Info("explored", "recommendation_id", id, "model", live.version(), "share", e.Share, "by", e.By, "seed", e.Seed, "shown", slices.Clip(shown))
}
