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
	"github.com/softrec/softrec/trainer/model/ranker"
)

// ListParams are the query parameters every list shares. It is exported because huma passes over embedded structs that are not.
type ListParams struct {
	N        int      `query:"n" minimum:"1" maximum:"1000" doc:"items wanted; the server's default_items when absent"`
	Category []string `query:"category,explode" doc:"only items of this category; repeat it for any of several"`
	Exclude  []string `query:"exclude,explode" doc:"item ids to leave out, separated by commas or repeated"`
	Explain  bool     `query:"explain" doc:"add the parts of every score, and in words what made it"`
	Rules    RuleParams
	Logging

	IfNoneMatch string `header:"If-None-Match" doc:"the ETag of an answer the client has: 304 while the list is the same"`
}

// Logging says whether an answer is an impression. It is exported because huma passes over embedded structs that are not.
type Logging struct {
	Log  string `query:"log" enum:"true,false" doc:"false for a look or a poll: the answer is not logged as an impression (default true)"`
	Head HeadRequest
}

// HeadRequest says whether a request is a HEAD, whose answer nobody sees. huma calls Resolve.
type HeadRequest struct{ is bool }

// Resolve implements huma.Resolver.
func (h *HeadRequest) Resolve(ctx huma.Context) []error {
	h.is = ctx.Method() == http.MethodHead
	return nil
}

type recommendInput struct {
	User string `path:"user" doc:"user id"`
	Arm  string `query:"arm" maxLength:"128" doc:"look at the list of this arm of the experiment (live for those in none); needs an admin key, and is not logged as an impression"`
	ListParams
}

type recommendBodyInput struct {
	User string `path:"user" doc:"user id"`
	Logging
	RawBody []byte
}

type similarInput struct {
	Item string `path:"item" doc:"item id"`
	ListParams
}

type popularInput struct{ ListParams }

type sessionInput struct {
	Logging
	RawBody []byte
}

type answerOutput struct {
	Status       int
	ETag         string `header:"ETag" doc:"of the list; send it as If-None-Match"`
	CacheControl string `header:"Cache-Control"`
	Body         schema.Answer

	logged bool // its impression is on the way
}

func (s *Server) registerRecommend(api huma.API) {
	const tag, path = "recommendations", "/v1/recommend/{user}"
	get := s.operation("recommend", http.MethodGet, path, tag, "What next for a user",
		"Computed from the user's window as it is now. Unknown users get what is popular, or the newest items before the first model.")
	get.Parameters = append(ruleParameters(), seenParameter())
	huma.Register(api, get, s.getRecommend)
	post := s.operation("recommend-by-rules", http.MethodPost, path, tag, "What next for a user, by rules", "As the GET, with the rules as a JSON body.")
	huma.Register(api, post, s.postRecommend)
	documentBody(api.OpenAPI().Paths[path].Post, map[string]*huma.Schema{"application/json": rulesSchema(nil)})
	similar := s.operation("similar", http.MethodGet, "/v1/similar/{item}", tag, "What goes with an item",
		"Filled with popular and then the newest items when little is known about the item.")
	similar.Parameters = ruleParameters()
	huma.Register(api, similar, s.getSimilar)
	popular := s.operation("popular", http.MethodGet, "/v1/popular", tag, "What is popular now", "Filled with the newest items.")
	popular.Parameters = ruleParameters()
	huma.Register(api, popular, s.getPopular)
	op := s.operation("session-recommend", http.MethodPost, "/v1/session/recommend", tag, "What next after these items",
		"Nothing is stored and no user is needed; items are oldest first.")
	huma.Register(api, op, s.postSession)
	documentBody(api.OpenAPI().Paths[op.Path].Post, map[string]*huma.Schema{"application/json": rulesSchema(map[string]*huma.Schema{
		"items": {Type: huma.TypeArray, Items: idSchema(), MaxItems: ptr(schema.MaxSessionItems)},
	})})
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
	if err := schema.CheckUserID(in.User); err != nil {
		return nil, invalid("path.user", err)
	}
	q, err := s.userQuery(in.ListParams, in.User, in.Arm)
	if err != nil {
		return nil, err
	}
	q.have = in.IfNoneMatch
	return s.recommendUser(ctx, in.User, q)
}

func (s *Server) postRecommend(ctx context.Context, in *recommendBodyInput) (*answerOutput, error) {
	if err := schema.CheckUserID(in.User); err != nil {
		return nil, invalid("path.user", err)
	}
	spec, err := decodeRules(in.RawBody)
	if err != nil {
		return nil, err
	}
	q, err := s.ruledUserQuery(spec, in.User)
	if err != nil {
		return nil, err
	}
	return s.recommendUser(ctx, in.User, q.logging(in.Logging))
}

// recommendUser answers for a user's window as it is now.
func (s *Server) recommendUser(ctx context.Context, user string, q query) (*answerOutput, error) {
	defer s.asking.leave(s.asking.enter())
	start := time.Now()
	live, now := s.modelFor(q), s.deps.Now()
	q.span = s.tracer.Current(ctx)
	reading := q.span.Child("window read")
	win, err := s.gateway.readInto(ctx, user, s.spares.take())
	reading.End(err)
	if err != nil {
		return s.answer(ctx, start, live, 0, s.popular(ctx, live, q, now), q, "", s.degrade(err))
	}
	win.UserID = user
	q.lent = true
	return s.recommendWindow(ctx, start, live, win, q, now)
}

// recommendWindow answers for a window that was just read.
func (s *Server) recommendWindow(ctx context.Context, start time.Time, live *Live, win schema.Window, q query, now time.Time) (*answerOutput, error) {
	q.span = s.tracer.Current(ctx)
	s.noteEffect(win, q.span)
	key := keyOf(win, live.version(), s.deps.Catalogue.Version(), q.key(win.Entries, now))
	titles := int64(0)
	if s.deps.Texts != nil {
		titles = 1 + s.deps.Texts.Version() // before reading and scores: a list may know more than its key says, never less
	}
	reading, state, passing := s.text(ctx, live, textKeyOf(key), win.Entries, q)
	if state == schema.TextReady {
		key.text = titles
	}
	if passing || !q.keepable() {
		out, err := s.answer(ctx, start, live, win.Version, s.recommend(ctx, live, win.Entries, reading, q, now), q, state, "")
		s.offerShadows(out, q, live, win.Entries, reading, now)
		return out, err
	}
	done := func() { // with the entries
		if q.lent && s.deps.Texts == nil && q.again == nil { // nothing else has seen them: readings and shadows keep them
			s.spares.give(win.Entries)
			win.Entries = nil
		}
	}
	tag := ""
	if !q.untagged {
		if tag = tagOf(key); s.holds(q.have, tag) && s.complaint(q) == "" {
			done()
			return notModified(tag), nil
		}
	}
	items, ok := s.cache.get(key)
	traceCache(q.span, ok)
	if ok {
		done()
	} else {
		list := s.recommend(ctx, live, win.Entries, reading, q, now)
		if list.err != nil {
			return nil, list.err
		}
		items = list.items
		s.cache.put(key, items)
	}
	out, err := s.answer(ctx, start, live, win.Version, answerList{items: items}, q, state, "")
	if err != nil {
		return nil, err
	}
	s.offerShadows(out, q, live, win.Entries, reading, now) // none where the entries were given back
	return out.tagged(tag), nil
}

func (s *Server) getSimilar(ctx context.Context, in *similarInput) (*answerOutput, error) {
	start := time.Now()
	if err := schema.CheckItemID(in.Item); err != nil {
		return nil, invalid("path.item", err)
	}
	q, err := s.listQuery(in.ListParams, "item", in.Item)
	if err != nil {
		return nil, err
	}
	q.span = s.tracer.Current(ctx)
	live, now := s.models.live.Load(), s.deps.Now()
	_, err = s.gateway.read(ctx, "")
	tag := s.tagOfList("\x00similar\x00"+in.Item, live, q, now)
	if err == nil && tag != "" && s.holds(in.IfNoneMatch, tag) {
		return notModified(tag), nil
	}
	return s.answerTagged(ctx, start, live, s.similar(ctx, live, in.Item, q, now), q, tag, s.degrade(err))
}

func (s *Server) getPopular(ctx context.Context, in *popularInput) (*answerOutput, error) {
	start := time.Now()
	q, err := s.listQuery(in.ListParams, "popular")
	if err != nil {
		return nil, err
	}
	q.span = s.tracer.Current(ctx)
	live, now := s.models.live.Load(), s.deps.Now()
	_, err = s.gateway.read(ctx, "")
	tag := s.tagOfList("\x00popular", live, q, now)
	if err == nil && tag != "" && s.holds(in.IfNoneMatch, tag) {
		return notModified(tag), nil
	}
	return s.answerTagged(ctx, start, live, s.popular(ctx, live, q, now), q, tag, s.degrade(err))
}

func (s *Server) postSession(ctx context.Context, in *sessionInput) (*answerOutput, error) {
	defer s.asking.leave(s.asking.enter()) // its reading may be of an item that is withdrawn meanwhile
	start := time.Now()
	items, spec, err := decodeSession(in.RawBody)
	if err != nil {
		return nil, err
	}
	q, err := s.ruledQuery(spec, "body", "session")
	if err != nil {
		return nil, err
	}
	live, now := s.models.live.Load(), s.deps.Now()
	q = q.logging(in.Logging)
	q.span = s.tracer.Current(ctx)
	_, err = s.gateway.read(ctx, "")
	history := session(items, now)
	reading, state, _ := s.text(ctx, live, sessionKey(items), history, q)
	return s.answer(ctx, start, live, 0, s.recommend(ctx, live, history, reading, q, now), q, state, s.degrade(err))
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

// answerList is the items of an answer and what its request wants to know of how they came about.
type answerList struct {
	items []schema.AnswerItem
	next  string // the token of the next page
	err   error  // there is none: the request ended, or its rules took too long
}

// answer makes the answer that holds l.
func (s *Server) answer(ctx context.Context, start time.Time, live *Live, window int64, l answerList, q query, text schema.TextState, degraded string) (*answerOutput, error) {
	if l.err != nil {
		return nil, l.err
	}
	id := q.id
	if id == "" {
		var err error
		if id, err = newRecommendationID(); err != nil {
			return nil, err
		}
	}
	s.countSources(l.items)
	traceAnswer(q.span, id, live, len(l.items))
	s.noteExploration(id, live, q, l.items)
	out := &answerOutput{Status: http.StatusOK, Body: schema.Answer{
		RecommendationID: id, ModelVersion: live.version(), WindowOffset: window, TookMS: float64(time.Since(start).Microseconds()) / 1000,
		Degraded: cmp.Or(degraded, s.complaint(q)), Text: text, Items: l.items, Next: l.next,
	}}
	if q.arm != nil {
		out.Body.Arm = q.arm.name()
	}
	out.logged = s.noteImpression(ctx, id, live, q, l.items)
	return out, nil
}

// offerShadows has the shadows of an answer that was logged computed.
func (s *Server) offerShadows(out *answerOutput, q query, live *Live, history []schema.Interaction, reading ranker.Reading, now time.Time) {
	if q.again != nil && out != nil && out.logged {
		s.shadows.offer(out.Body.RecommendationID, q, live, history, reading, now)
	}
}

func newRecommendationID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	return id.String(), nil
}
