package serve

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/softrec/softrec/schema"
)

// ListParams are the query parameters every list shares. It is exported because huma passes over embedded structs that are not.
type ListParams struct {
	N        int      `query:"n" minimum:"1" maximum:"1000" doc:"items wanted; the server's default_items when absent"`
	Category []string `query:"category,explode" doc:"only items of this category; repeat it for any of several"`
	Exclude  []string `query:"exclude,explode" doc:"item ids to leave out, separated by commas or repeated"`
	Explain  bool     `query:"explain" doc:"add the parts of every score"`
}

type recommendInput struct {
	User string `path:"user" doc:"user id"`
	ListParams
	FilterSeen bool `query:"filter_seen" doc:"leave out what is in the user's window"`
}

type similarInput struct {
	Item string `path:"item" doc:"item id"`
	ListParams
}

type popularInput struct{ ListParams }

type sessionInput struct{ RawBody []byte }

type answerOutput struct{ Body schema.Answer }

func (s *Server) registerRecommend(api huma.API) {
	const tag = "recommendations"
	huma.Register(api, s.operation("recommend", http.MethodGet, "/v1/recommend/{user}", tag, "What next for a user",
		"Computed from the user's window as it is now. Unknown users get what is popular, or the newest items before the first model."), s.getRecommend)
	huma.Register(api, s.operation("similar", http.MethodGet, "/v1/similar/{item}", tag, "What goes with an item",
		"Filled with popular and then the newest items when little is known about the item."), s.getSimilar)
	huma.Register(api, s.operation("popular", http.MethodGet, "/v1/popular", tag, "What is popular now", "Filled with the newest items."), s.getPopular)
	op := s.operation("session-recommend", http.MethodPost, "/v1/session/recommend", tag, "What next after these items",
		"Nothing is stored and no user is needed; items are oldest first.")
	huma.Register(api, op, s.postSession)
	text := func() *huma.Schema { return &huma.Schema{Type: huma.TypeString, MaxLength: ptr(schema.MaxIDLen)} }
	documentBody(api.OpenAPI().Paths[op.Path].Post, map[string]*huma.Schema{"application/json": {
		Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{
			"items":       {Type: huma.TypeArray, Items: text(), MaxItems: ptr(schema.MaxSessionItems)},
			"n":           {Type: huma.TypeInteger, Minimum: ptr(1.0), Maximum: ptr(float64(schema.MaxAnswerItems))},
			"category":    text(),
			"exclude":     {Type: huma.TypeArray, Items: text()},
			"filter_seen": {Type: huma.TypeBoolean},
			"explain":     {Type: huma.TypeBoolean},
		},
	}})
}

// query turns parameters into what is asked for. An exclude value is an id, and where it holds commas also a list of
// ids: an id may hold a comma itself.
func (p ListParams) query(def int) query {
	q := query{n: p.N, explain: p.Explain}
	if q.n == 0 {
		q.n = def
	}
	for _, c := range p.Category {
		if c != "" {
			q.categories = append(q.categories, c)
		}
	}
	for _, value := range p.Exclude {
		q.leaveOut(value)
		for part := range strings.SplitSeq(value, ",") {
			q.leaveOut(strings.TrimSpace(part))
		}
	}
	return q
}

func (q *query) leaveOut(id string) {
	if id == "" || len(id) > schema.MaxIDLen {
		return
	}
	if q.exclude == nil {
		q.exclude = map[string]struct{}{}
	}
	q.exclude[id] = struct{}{}
}

func (s *Server) getRecommend(ctx context.Context, in *recommendInput) (*answerOutput, error) {
	start := time.Now()
	if err := schema.CheckUserID(in.User); err != nil {
		return nil, invalid("path.user", err)
	}
	live, now := s.models.live.Load(), s.deps.Now()
	q := in.query(s.cfg.DefaultItems)
	q.filterSeen = in.FilterSeen
	win, err := s.gateway.read(ctx, in.User)
	if err != nil {
		return s.answer(start, live, 0, s.popular(live, q, now), "", s.degrade(err))
	}
	win.UserID = in.User
	key := keyOf(win, live.version(), s.deps.Catalogue.Version(), q.canonical())
	reading, state := s.text(ctx, live, textKeyOf(key), win.Entries)
	if state == schema.TextReady {
		key.text = 1 + s.deps.Texts.Version() // before the scores: a list may know more than its key says, never less
	}
	items, ok := s.cache.get(key)
	if !ok {
		items = s.recommend(live, win.Entries, reading, q, now)
		s.cache.put(key, items)
	}
	return s.answer(start, live, win.Version, items, state, "")
}

func (s *Server) getSimilar(ctx context.Context, in *similarInput) (*answerOutput, error) {
	start := time.Now()
	if err := schema.CheckItemID(in.Item); err != nil {
		return nil, invalid("path.item", err)
	}
	live, now := s.models.live.Load(), s.deps.Now()
	_, err := s.gateway.read(ctx, "")
	return s.answer(start, live, 0, s.similar(live, in.Item, in.query(s.cfg.DefaultItems), now), "", s.degrade(err))
}

func (s *Server) getPopular(ctx context.Context, in *popularInput) (*answerOutput, error) {
	start := time.Now()
	live, now := s.models.live.Load(), s.deps.Now()
	_, err := s.gateway.read(ctx, "")
	return s.answer(start, live, 0, s.popular(live, in.query(s.cfg.DefaultItems), now), "", s.degrade(err))
}

func (s *Server) postSession(ctx context.Context, in *sessionInput) (*answerOutput, error) {
	start := time.Now()
	body, err := decodeSession(in.RawBody, s.cfg.DefaultItems)
	if err != nil {
		return nil, err
	}
	p := ListParams{N: body.N, Explain: body.Explain}
	if body.Category != "" {
		p.Category = []string{body.Category}
	}
	q := p.query(s.cfg.DefaultItems)
	q.filterSeen = body.FilterSeen
	for _, id := range body.Exclude {
		q.leaveOut(id)
	}
	live, now := s.models.live.Load(), s.deps.Now()
	_, err = s.gateway.read(ctx, "")
	history := session(body.Items, now)
	reading, state := s.text(ctx, live, sessionKey(body.Items), history)
	return s.answer(start, live, 0, s.recommend(live, history, reading, q, now), state, s.degrade(err))
}

// session makes a history of items, oldest first, one second apart so that each is a step of its own.
func session(items []string, now time.Time) []schema.Interaction {
	history := make([]schema.Interaction, len(items))
	for i, id := range items {
		history[i] = schema.Interaction{
			ItemID: id, Type: schema.DefaultType, Offset: int64(i),
			Timestamp: now.Add(-time.Duration(len(items)-i) * time.Second).Truncate(time.Millisecond).UTC(),
		}
	}
	return history
}

func (s *Server) answer(start time.Time, live *Live, window int64, items []schema.AnswerItem, text schema.TextState, degraded string) (*answerOutput, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	s.countSources(items)
	return &answerOutput{Body: schema.Answer{
		RecommendationID: id.String(), ModelVersion: live.version(), WindowOffset: window,
		TookMS: float64(time.Since(start).Microseconds()) / 1000, Degraded: cmp.Or(degraded, s.models.complaint()), Text: text, Items: items,
	}}, nil
}
