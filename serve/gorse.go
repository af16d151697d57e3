package serve

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/compat"
)

type rawInput struct {
	ContentType string `header:"Content-Type"`
	RawBody     []byte
}

// RowsAffected is Gorse's answer to writes, with the reasons of what was not taken beside it.
type RowsAffected struct {
	RowAffected int        `json:"RowAffected"`
	Rejected    []Rejected `json:"Rejected,omitempty" doc:"what cannot be used; Gorse has no such field"`
}

type rowsOutput struct{ Body RowsAffected }

// GorseList is what Gorse asks a list with. It is exported because huma passes over embedded structs that are not.
type GorseList struct {
	User   string `path:"user" doc:"user id"`
	N      int    `query:"n" minimum:"1" maximum:"1000" default:"10" doc:"items wanted"`
	Offset int    `query:"offset" minimum:"0" maximum:"1000" doc:"items of the list to pass over"`

	WriteBackType  string `query:"write-back-type" maxLength:"128" doc:"of Gorse: feedback to write for the items of the list; accepted and not carried out, as what was shown is no interaction here"`
	WriteBackDelay string `query:"write-back-delay" maxLength:"128" doc:"of Gorse: accepted and not carried out"`
}

type gorseCategoryInput struct {
	GorseList
	Category string `path:"category" doc:"only items of this category"`
}

type idsOutput struct{ Body []string }

// registerGorse adds what clients of Gorse need for a trial: feedback and items in, lists of ids out.
func (s *Server) registerGorse(api huma.API) {
	const tag = "gorse"
	about := "In the shape of Gorse's API, for clients written for it."
	any1 := map[string]*huma.Schema{"application/json": {Description: "an array or one object, as Gorse's documentation has it"}}
	write := func(id, method, path, summary string, handler func(context.Context, *rawInput) (*rowsOutput, error)) {
		op := s.operation(id, method, path, tag, summary, about)
		op.Errors = []int{400, 413, 422, 503}
		huma.Register(api, op, handler)
		item := api.OpenAPI().Paths[path]
		doc := item.Post
		if method == http.MethodPut {
			doc = item.Put
		}
		documentBody(doc, any1)
	}
	write("gorse-post-feedback", http.MethodPost, "/api/feedback", "Take feedback", s.gorseFeedback)
	write("gorse-put-feedback", http.MethodPut, "/api/feedback", "Take feedback; nothing is overwritten here", s.gorseFeedback)
	write("gorse-post-item", http.MethodPost, "/api/item", "Write an item", s.gorseItems)
	write("gorse-post-items", http.MethodPost, "/api/items", "Write items", s.gorseItems)
	huma.Register(api, s.operation("gorse-recommend", http.MethodGet, "/api/recommend/{user}", tag, "What next for a user", about+" As there, what the user had is left out."),
		func(ctx context.Context, in *GorseList) (*idsOutput, error) {
			return s.gorseRecommend(ctx, *in, "")
		})
	huma.Register(api, s.operation("gorse-recommend-category", http.MethodGet, "/api/recommend/{user}/{category}", tag, "What next for a user, of one category", about),
		func(ctx context.Context, in *gorseCategoryInput) (*idsOutput, error) {
			return s.gorseRecommend(ctx, in.GorseList, in.Category)
		})
}

func (s *Server) gorseFeedback(ctx context.Context, in *rawInput) (*rowsOutput, error) {
	all, err := compat.GorseFeedback(in.RawBody, s.deps.Now())
	if err != nil {
		return nil, badBody(err)
	}
	taken, err := s.take(ctx, all)
	if err != nil {
		return nil, err
	}
	return &rowsOutput{Body: RowsAffected{RowAffected: taken.Accepted, Rejected: taken.Rejected}}, nil
}

func (s *Server) gorseItems(ctx context.Context, in *rawInput) (*rowsOutput, error) {
	all, err := compat.GorseItems(in.RawBody, s.deps.Now())
	if err != nil {
		return nil, badBody(err)
	}
	n, rejected, err := s.takeItems(ctx, all)
	if err != nil {
		return nil, err
	}
	return &rowsOutput{Body: RowsAffected{RowAffected: n, Rejected: rejected}}, nil
}

// takeItems writes what can be used of a body's items to their topic, without waiting until it can be seen. None is an
// error, with the reasons of all.
func (s *Server) takeItems(ctx context.Context, all []compat.ItemResult) (n int, rejected []Rejected, err error) {
	good, rejected := siftItems(all)
	if len(good) == 0 && len(rejected) > 0 {
		return 0, nil, refuse(rejected, len(all))
	}
	if err := s.writeItems(ctx, good); err != nil {
		return 0, nil, err
	}
	return len(good), rejected, nil
}

// siftItems parts items that can be used from the reasons why the others cannot.
func siftItems(all []compat.ItemResult) (good []compat.ItemResult, rejected []Rejected) {
	for _, r := range all {
		if r.Err != nil {
			rejected = append(rejected, rejection(r.Index, "item", r.Err)...)
			continue
		}
		good = append(good, r)
	}
	return good, rejected
}

// itemsAtOnce is how many items of a body are on their way at once: about what one request to a broker carries.
const itemsAtOnce = 256

// writeItems writes items to their topic: those of one id in their order, the others side by side, so that they travel together. One after
// the other, each would wait for its own acknowledgement, and a large body for longer than publish_timeout.
func (s *Server) writeItems(ctx context.Context, all []compat.ItemResult) error {
	byID := map[string][]compat.ItemResult{}
	for _, r := range all {
		byID[r.ID] = append(byID[r.ID], r)
	}
	return s.publish(ctx, "items", func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(itemsAtOnce)
		for _, changes := range byID {
			group.Go(func() error {
				for _, r := range changes {
					if err := s.writeResult(ctx, r); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return group.Wait()
	})
}

func (s *Server) writeResult(ctx context.Context, r compat.ItemResult) error {
	if r.Item == nil {
		return s.deps.Changes.Withdraw(ctx, r.ID, "")
	}
	return s.deps.Changes.Put(ctx, *r.Item)
}

func (s *Server) gorseRecommend(ctx context.Context, in GorseList, category string) (*idsOutput, error) {
	if err := schema.CheckUserID(in.User); err != nil {
		return nil, invalid("path.user", err)
	}
	own, err := unseen()
	if err != nil {
		return nil, err
	}
	p := ListParams{N: min(in.N+in.Offset, schema.MaxAnswerItems), Rules: own}
	if category != "" {
		p.Category = []string{category}
	}
	q, err := s.userQuery(p, in.User, "")
	if err != nil {
		return nil, err
	}
	q.unlogged = true // its answers have no id, so no click could name one
	answer, err := s.recommendUser(ctx, in.User, q)
	if err != nil {
		return nil, err
	}
	items := answer.Body.Items
	items = items[min(in.Offset, len(items)):]
	out := &idsOutput{Body: make([]string, len(items))}
	for i, it := range items {
		out.Body[i] = it.ID
	}
	return out, nil
}

// badBody is the problem of a body of which not even the elements can be told.
func badBody(err error) error {
	if errors.Is(err, schema.ErrTooManyEvents) || errors.Is(err, schema.ErrBodyTooLarge) {
		return problem(http.StatusRequestEntityTooLarge, err.Error())
	}
	return problem(http.StatusBadRequest, err.Error())
}
