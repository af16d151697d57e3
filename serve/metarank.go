package serve

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/softrec/softrec/serve/compat"
)

// metarankPath is where Metarank takes events.
const metarankPath = "/feedback"

// MetarankResult is Metarank's answer to events, with the reasons of what was not taken beside it.
type MetarankResult struct {
	Accepted   int        `json:"accepted" doc:"events taken, those without a counterpart here included"`
	Status     string     `json:"status" doc:"ok, or partial when some were rejected"`
	TookMillis int64      `json:"tookMillis"`
	Updated    int        `json:"updated" doc:"always 0: features are not kept as Metarank keeps them"`
	Rejected   []Rejected `json:"rejected,omitempty" doc:"what cannot be used; Metarank has no such field"`
}

type metarankOutput struct{ Body MetarankResult }

// registerMetarank adds the reader of Metarank's events.
func (s *Server) registerMetarank(api huma.API) {
	op := s.operation("metarank-feedback", http.MethodPost, metarankPath, "metarank", "Take events of Metarank",
		"One event, an array, or one event a line. Interactions become events, metadata of items go into the catalogue; metadata of users and rankings are accepted and not kept.")
	op.Errors = []int{400, 413, 422, 503}
	huma.Register(api, op, s.metarankFeedback)
	documentBody(api.OpenAPI().Paths[metarankPath].Post, map[string]*huma.Schema{
		"application/json":                  {Description: "events as Metarank's documentation has them"},
		"application/x-www-form-urlencoded": {Type: huma.TypeString, Description: "JSON too: what curl says of a body when nobody says otherwise"},
	})
}

func (s *Server) metarankFeedback(ctx context.Context, in *rawInput) (*metarankOutput, error) {
	start := time.Now()
	f, err := compat.Metarank(in.RawBody, in.ContentType)
	if err != nil {
		return nil, badBody(err)
	}
	items, rejected := siftItems(f.Items)
	events, faults := s.sift(f.Events)
	rejected = append(rejected, faults...)
	if len(items)+len(events) == 0 && len(rejected) > 0 {
		return nil, refuse(rejected, len(f.Items)+len(f.Events))
	}
	out := &metarankOutput{Body: MetarankResult{Accepted: f.Ignored + len(items), Status: "ok", Rejected: rejected}}
	if len(items) > 0 {
		if err := s.writeItems(ctx, items); err != nil {
			return nil, err
		}
	}
	taken, err := s.writeEvents(ctx, events, nil)
	if err != nil {
		return nil, err
	}
	out.Body.Accepted += taken.Accepted + taken.Duplicates
	if len(rejected) > 0 {
		out.Body.Status = "partial"
	}
	out.Body.TookMillis = time.Since(start).Milliseconds()
	return out, nil
}
