package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/access"
)

// lettersPath starts the paths of what was set aside.
const lettersPath = "/v1/deadletters"

// maxLetters is how many dead letters one answer holds.
const maxLetters = 100

type lettersInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"dead letters wanted"`
}

type lettersOutput struct{ Body LetterList }

// LetterList is the answer to GET /v1/deadletters.
type LetterList struct {
	Letters []schema.DeadLetter `json:"letters" doc:"newest first"`
}

type replayInput struct{ RawBody []byte }

// replayBody is the body of POST /v1/deadletters/replay.
type replayBody struct {
	Partition *int   `json:"partition"`
	Offset    *int64 `json:"offset"`
}

type replayOutput struct{ Body Replayed }

// Replayed is the answer to POST /v1/deadletters/replay.
type Replayed struct {
	Partition int    `json:"partition" doc:"of the dead letter"`
	Offset    int64  `json:"offset" doc:"of the dead letter"`
	Topic     string `json:"topic" doc:"where its record stands again"`
}

func (s *Server) registerLetters(api huma.API) {
	const tag = "operating"
	list := s.operation("list-deadletters", http.MethodGet, lettersPath, tag, "The newest records that were set aside",
		"With the reason, where each stood, and its first bytes as they came. Needs an admin key: anything may stand in them.")
	list.Errors = []int{404, 503}
	huma.Register(api, list, s.listLetters)
	replay := s.operation("replay-deadletter", http.MethodPost, lettersPath+"/replay", tag, "Send a record that was set aside again",
		"Byte for byte to the topic it came from, once whatever it was set aside for is mended. The dead letter stays; a record that still cannot be used makes another. "+
			"What is sent twice counts once if it has an event_id. 422 for a record of a user who was forgotten, or of an item that was withdrawn, after it was set aside: it would bring them back. Needs an admin key.")
	replay.Errors = []int{400, 404, 409, 422, 503}
	huma.Register(api, replay, s.replayLetter)
	documentBody(api.OpenAPI().Paths[replay.Path].Post, map[string]*huma.Schema{"application/json": {
		Type: huma.TypeObject, Required: []string{"partition", "offset"}, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"partition": {Type: huma.TypeInteger, Minimum: ptr(0.0), Description: "of the dead letter, as the list shows it"},
			"offset":    {Type: huma.TypeInteger, Minimum: ptr(0.0), Description: "of the dead letter, as the list shows it"},
		},
	}})
}

func (s *Server) listLetters(ctx context.Context, in *lettersInput) (*lettersOutput, error) {
	if s.deps.Letters == nil {
		return nil, problem(http.StatusNotFound, "this server does not read dead letters")
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PublishTimeout)
	defer cancel()
	all, err := s.deps.Letters.Newest(ctx, min(in.Limit, maxLetters))
	if err != nil {
		s.log.Warn("list dead letters", "err", err)
		return nil, unavailable(retryAfter, "the dead letters cannot be read now")
	}
	return &lettersOutput{Body: LetterList{Letters: append([]schema.DeadLetter{}, all...)}}, nil
}

func (s *Server) replayLetter(ctx context.Context, in *replayInput) (*replayOutput, error) {
	if s.deps.Letters == nil {
		return nil, problem(http.StatusNotFound, "this server does not read dead letters")
	}
	var b replayBody
	if err := decodeStrict("replay", in.RawBody, &b); err != nil {
		return nil, err
	}
	if err := b.check(); err != nil {
		return nil, invalid("body", err)
	}
	var sent schema.DeadLetter
	var refusal, gone error
	err := s.publish(ctx, "deadletter", func(ctx context.Context) error {
		var err error
		sent, err = s.deps.Letters.Replay(ctx, *b.Partition, *b.Offset, func(ctx context.Context, letter schema.DeadLetter, of schema.LetterSubject) error {
			gone = s.mayReturn(ctx, letter, of)
			return gone
		})
		if gone != nil {
			return nil
		}
		if errors.Is(err, schema.ErrNoDeadLetter) || errors.Is(err, schema.ErrNotReplayable) {
			refusal = err
			return nil
		}
		return err
	})
	switch {
	case gone != nil:
		return nil, gone
	case errors.Is(refusal, schema.ErrNoDeadLetter):
		return nil, problem(http.StatusNotFound, refusal.Error())
	case refusal != nil:
		return nil, problem(http.StatusConflict, refusal.Error())
	case err != nil:
		return nil, err
	}
	s.log.Info("dead letter replayed", "partition", sent.Partition, "offset", sent.Offset, "topic", sent.Topic, "by", access.From(ctx).Name)
	return &replayOutput{Body: Replayed{Partition: sent.Partition, Offset: sent.Offset, Topic: sent.Topic}}, nil
}

func (b replayBody) check() error {
	var errs []error
	for _, f := range []struct {
		name   string
		absent bool
		value  func() int64
	}{
		{"partition", b.Partition == nil, func() int64 { return int64(*b.Partition) }},
		{"offset", b.Offset == nil, func() int64 { return *b.Offset }},
	} {
		switch {
		case f.absent:
			errs = append(errs, &schema.FieldError{Field: f.name, Reason: "is required"})
		case f.value() < 0:
			errs = append(errs, &schema.FieldError{Field: f.name, Value: fmt.Sprint(f.value()), Reason: "want at least 0"})
		}
	}
	return errors.Join(errs...)
}
