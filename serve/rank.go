package serve

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/softrec/softrec/ingest/tracing"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rules"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// query is what a request asks for, besides whose window it is.
type query struct {
	n          int
	categories []string // any of them; empty = all items
	exclude    map[string]struct{}
	filterSeen bool // leave out what is in the window
	explain    bool
	rules      *rules.Rules // what goes beyond that; nil mostly
	id         string       // of the answer, where its draws depend on it
	have       string       // the If-None-Match of the request
	untagged   bool         // nobody reads the answer's ETag
	lent       bool         // the window's entries are laid into a spare slice
	span       tracing.Span // of the request, the zero one mostly

	rulesEnd time.Time // when the time for the rules is over; zero: rulesPatience after they begin

	textEnd time.Time // when the time to wait for the language model is over, of all lists of a request; zero: the budget from now on

	unlogged bool // somebody looks or polls, or could not name the answer in a click: it is no impression

	list  schema.List                          // what the answer is about
	user  string                               // whose list it is, empty for nobody's
	arm   *armed                               // of the user; nil where no arms are configured
	again func(arm *rules.Spec) (query, error) // the same under the rules of a shadow; nil where there are none
}

// canonical is equal for queries that ask for the same list.
func (q query) canonical() string {
	if len(q.categories) == 0 && len(q.exclude) == 0 && !q.explain && !q.filterSeen {
		return strconv.Itoa(q.n)
	}
	var b strings.Builder
	b.WriteString(strconv.Itoa(q.n))
	for _, flag := range []bool{q.filterSeen, q.explain} {
		b.WriteByte(' ')
		b.WriteString(strconv.FormatBool(flag))
	}
	part := func(head byte, texts []string) { // texts of a URL may hold any byte: their lengths keep them apart
		for _, t := range texts {
			b.WriteByte(head)
			b.WriteString(strconv.Itoa(len(t)))
			b.WriteByte(':')
			b.WriteString(t)
		}
	}
	part('c', slices.Sorted(slices.Values(q.categories)))
	excluded := make([]string, 0, len(q.exclude))
	for id := range q.exclude {
		excluded = append(excluded, id)
	}
	slices.Sort(excluded)
	part('x', excluded)
	return b.String()
}

// allows returns the test every item of an answer must pass: not withdrawn, not excluded, in the category. An item
// that was never described is allowed unless a category is asked for: a catalogue is optional.
func (q query) allows(c Catalogue) func(id string) bool {
	return func(id string) bool {
		if _, out := q.exclude[id]; out || c.Withdrawn(id) {
			return false
		}
		if len(q.categories) == 0 {
			return true
		}
		it, ok := c.Item(id)
		return ok && slices.ContainsFunc(it.Categories, func(have string) bool { return slices.Contains(q.categories, have) })
	}
}

// recommend ranks for a history, oldest first, and what the language model read in it, nil for nothing. Without a model
// the list is the newest of the catalogue.
func (s *Server) recommend(ctx context.Context, live *Live, history []schema.Interaction, reading ranker.Reading, q query, now time.Time) answerList {
	if q.rules != nil {
		return s.recommendByRules(ctx, live, history, reading, q, now)
	}
	allow := q.allows(s.deps.Catalogue)
	var scored []ranker.Scored
	if live != nil {
		req := ranker.Request{History: history, Now: now, N: q.n, Allow: allow, ExcludeHistory: q.filterSeen, Explain: q.explain}
		if reading != nil {
			req.Text = s.deps.Texts.Score(reading)
		}
		ranking := q.span.Child("rank")
		scored = live.Ranker.Rank(req)
		ranking.End(nil)
	}
	if q.filterSeen {
		seen := make(map[string]struct{}, len(history))
		for _, in := range history {
			seen[in.ItemID] = struct{}{}
		}
		inner := allow
		allow = func(id string) bool { _, was := seen[id]; return !was && inner(id) }
	}
	return answerList{items: s.finish(scored, q, allow)}
}

// popular lists what is popular now.
func (s *Server) popular(ctx context.Context, live *Live, q query, now time.Time) answerList {
	rank := func(n int, allow func(string) bool) []ranker.Scored {
		if live == nil {
			return nil
		}
		defer q.span.Child("rank").End(nil)
		return live.Ranker.Popular(now, n, allow)
	}
	allow := q.allows(s.deps.Catalogue)
	if q.rules != nil {
		return s.byRules(ctx, live, source{rank: rank, allow: allow, linear: true}, nil, q, now)
	}
	return answerList{items: s.finish(rank(q.n, allow), q, allow)}
}

// similar lists what goes with item.
func (s *Server) similar(ctx context.Context, live *Live, item string, q query, now time.Time) answerList {
	inner := q.allows(s.deps.Catalogue)
	allow := func(id string) bool { return id != item && inner(id) }
	rank := func(n int, allow func(string) bool) []ranker.Scored {
		defer q.span.Child("rank").End(nil)
		return s.rankSimilar(live, item, q, now, n, allow)
	}
	if q.rules != nil {
		return s.byRules(ctx, live, source{rank: rank, allow: allow, linear: true}, nil, q, now)
	}
	return answerList{items: s.finish(rank(q.n, allow), q, allow)}
}

// rankSimilar scores what the model says goes with item, then popular items of the same categories, then popular ones.
func (s *Server) rankSimilar(live *Live, item string, q query, now time.Time, n int, allow func(string) bool) []ranker.Scored {
	if live == nil {
		return nil
	}
	scored := live.Ranker.Similar(item, n, allow)
	if len(scored) >= n {
		return scored
	}
	if it, ok := s.deps.Catalogue.Item(item); ok && len(it.Categories) > 0 && len(q.categories) == 0 {
		mates := query{categories: it.Categories}.allows(s.deps.Catalogue)
		scored = appendNew(scored, live.Ranker.Popular(now, n, func(id string) bool { return mates(id) && allow(id) }), n)
	}
	if len(scored) < n {
		scored = appendNew(scored, live.Ranker.Popular(now, n, allow), n)
	}
	return scored
}

// appendNew appends what head does not hold yet, up to n items. Scores of the tail are measured otherwise, so they are
// moved below the head's: an answer's scores never rise.
func appendNew(head, tail []ranker.Scored, n int) []ranker.Scored {
	for _, t := range tail {
		if len(head) >= n {
			break
		}
		if slices.ContainsFunc(head, func(h ranker.Scored) bool { return h.Item == t.Item }) {
			continue
		}
		if len(head) > 0 {
			t.Score = min(t.Score, head[len(head)-1].Score)
		}
		head = append(head, t)
	}
	return head
}

// finish turns scored items into an answer's: what the model must not have returned is dropped, titles are joined and
// the list is filled to n with the newest of the catalogue.
func (s *Server) finish(scored []ranker.Scored, q query, allow func(string) bool) []schema.AnswerItem {
	items := make([]schema.AnswerItem, 0, min(q.n, max(len(scored), s.deps.Catalogue.Len())))
	for _, sc := range scored {
		if len(items) == q.n {
			break
		}
		if !allow(sc.Item) { // withdrawn while the model was ranking
			continue
		}
		it := schema.AnswerItem{ID: sc.Item, Title: s.title(sc.Item), Score: finite(sc.Score), Source: sc.Source}
		if q.explain {
			it.Parts, it.Why = sc.Parts, why(sc)
		}
		items = append(items, it)
	}
	return s.fillNewest(items, q.n, allow)
}

// fillNewest appends the newest allowed items of the catalogue until there are n or no more. How many of the newest are
// not allowed is unknown beforehand, so it asks for more in growing steps.
func (s *Server) fillNewest(items []schema.AnswerItem, n int, allow func(string) bool) []schema.AnswerItem {
	if len(items) >= n {
		return items
	}
	have := make(map[string]struct{}, n)
	score := 0.0
	for _, it := range items {
		have[it.ID] = struct{}{}
		score = min(score, it.Score)
	}
	for ask := 2 * n; len(items) < n; ask *= 4 {
		newest := s.deps.Catalogue.Newest(ask)
		for _, id := range newest {
			if _, dup := have[id]; dup || len(items) == n || !allow(id) {
				continue
			}
			have[id] = struct{}{}
			items = append(items, schema.AnswerItem{ID: id, Title: s.title(id), Score: score, Source: schema.SourceCatalog})
		}
		if len(newest) < ask {
			break
		}
	}
	return items
}

func (s *Server) title(id string) string {
	it, _ := s.deps.Catalogue.Item(id)
	return it.Title
}

// finite keeps a number JSON can carry.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}
