package serve

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/access"
)

type rollbackInput struct{ RawBody []byte }

// rollbackBody is the body of POST /v1/models/rollback.
type rollbackBody struct {
	From string `json:"from"`
}

type rollbackOutput struct{ Body RolledBack }

// RolledBack is the answer to POST /v1/models/rollback.
type RolledBack struct {
	Before string `json:"before" doc:"the version that was live"`
	Live   string `json:"live" doc:"the version that is live now"`
}

func (s *Server) registerRollback(api huma.API) {
	op := s.operation("rollback-model", http.MethodPost, "/v1/models/rollback", "operating", "Make the model live that was so before",
		"For every server that follows the same pointer. It changes nothing unless from is live now, so that two operators, or two clicks, go back by one. "+
			"The snapshot is read before. The trainer goes on: a candidate that does better than the older model may go live again. Needs an admin key.")
	op.Errors = []int{400, 409, 422, 503}
	huma.Register(api, op, s.rollback)
	documentBody(api.OpenAPI().Paths[op.Path].Post, map[string]*huma.Schema{"application/json": {
		Type: huma.TypeObject, Required: []string{"from"}, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{"from": {Type: huma.TypeString, MaxLength: ptr(schema.MaxIDLen), Description: "the version to leave: current of GET /v1/models"}},
	}})
}

func (s *Server) rollback(ctx context.Context, in *rollbackInput) (*rollbackOutput, error) {
	var b rollbackBody
	if err := decodeStrict("rollback", in.RawBody, &b); err != nil {
		return nil, err
	}
	if b.From == "" {
		return nil, invalid("body", &schema.FieldError{Field: "from", Reason: "is required: name the version to leave"})
	}
	var known ModelList
	current, err := s.registry(ctx, &known)
	if err != nil {
		_ = s.degrade(err)
		return nil, unavailable(s.cfg.BreakerCooldown, "the registry cannot be read now")
	}
	if current != b.From {
		return nil, movedOn(b.From, current)
	}
	before := ""
	for _, v := range known.History {
		if v != current {
			before = v
			break
		}
	}
	if before == "" {
		return nil, problem(http.StatusConflict, fmt.Sprintf("no model was live before %q", current))
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PublishTimeout) // the gateway wants the caller's own deadline
	defer cancel()
	older, err := s.models.load(ctx, before)
	if err != nil {
		s.log.Warn("model is not rolled back", "from", current, "to", before, "err", err)
		return nil, problem(http.StatusConflict, fmt.Sprintf("the model before, %q, cannot be read: nothing was changed", before))
	}
	live, err := s.deps.Registry.Retreat(ctx, current, before)
	if err != nil {
		s.log.Warn("model is not rolled back", "from", current, "to", before, "err", err)
		return nil, unavailable(s.cfg.BreakerCooldown, "the registry did not answer; look at GET /v1/models for which version is live")
	}
	if live != before {
		return nil, movedOn(b.From, live)
	}
	s.log.Warn("model rolled back", "from", current, "to", live, "by", access.From(ctx).Name)
	if err := s.models.goLive(ctx, older); err != nil {
		s.log.Warn("the model that was rolled back to is not live here yet", "err", err) // the watcher tries again
	}
	return &rollbackOutput{Body: RolledBack{Before: current, Live: live}}, nil
}

func movedOn(from, live string) error {
	return problem(http.StatusConflict, fmt.Sprintf("%q is not live: %q is. Nothing was changed", from, live))
}
