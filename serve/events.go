package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// intake counts what became of events.
type intake struct{ accepted, duplicates, ahead, invalid atomic.Int64 }

// rejected is how many events were not taken, for whatever reason.
func (in *intake) rejected() int64 { return in.ahead.Load() + in.invalid.Load() }

type eventsInput struct {
	ContentType string `header:"Content-Type"`
	CloudHeaders
	RawBody []byte
}

type eventsOutput struct {
	Status int
	Body   EventsResult
}

// EventsResult is the answer to POST /v1/events.
type EventsResult struct {
	Accepted   int        `json:"accepted" doc:"events written to the topic, acknowledged by all in-sync replicas"`
	Duplicates int        `json:"duplicates" doc:"events whose event_id came twice in the body or stands in the user's window already; not written again"`
	Rejected   []Rejected `json:"rejected" doc:"events that cannot be used"`
}

// Rejected says why one event of a body was not taken.
type Rejected struct {
	Index  int    `json:"index" doc:"place in the body, from 0; empty lines do not count"`
	Field  string `json:"field" doc:"what is wrong"`
	Value  string `json:"value" doc:"what stood there, shortened"`
	Reason string `json:"reason" doc:"what was wanted"`
}

// maxDuplicateUsers bounds how many windows one body may make the server read when it looks for duplicates. What is
// not found here is found by ingest: an event id within the window counts once in any case.
const maxDuplicateUsers = 500

func (s *Server) registerEvents(api huma.API) {
	op := s.operation("post-events", http.MethodPost, "/v1/events", "events", "Take interactions",
		"One event, an array, one event a line, or CloudEvents 1.0 (binary, structured and batched in JSON). Answers after the topic has them. 202: written; 200: all were duplicates; 422: none could be used.")
	op.DefaultStatus = http.StatusAccepted
	op.Errors = []int{400, 413, 422, 503}
	huma.Register(api, op, s.postEvents)
	doc := api.OpenAPI().Paths[op.Path].Post
	e := eventSchema()
	documentBody(doc, map[string]*huma.Schema{
		"application/json":         {OneOf: []*huma.Schema{e, {Type: huma.TypeArray, Items: e, MaxItems: ptr(schema.MaxBatchEvents)}}},
		"application/x-ndjson":     {Type: huma.TypeString, Description: "one event a line"},
		schema.CloudEventType:      cloudEventSchema(e),
		schema.CloudEventBatchType: {Type: huma.TypeArray, Items: cloudEventSchema(e), MaxItems: ptr(schema.MaxBatchEvents)},
	})
	documentStatus(doc, http.StatusAccepted, http.StatusOK, "Nothing new: every event was known already")
}

func (s *Server) postEvents(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
	all, err := in.decode()
	switch {
	case errors.Is(err, schema.ErrTooManyEvents), errors.Is(err, schema.ErrBodyTooLarge):
		return nil, problem(http.StatusRequestEntityTooLarge, err.Error())
	case err != nil:
		return nil, problem(http.StatusBadRequest, err.Error())
	}
	body, err := s.take(ctx, all)
	if err != nil {
		return nil, err
	}
	out := &eventsOutput{Status: http.StatusAccepted, Body: body}
	if body.Accepted == 0 {
		out.Status = http.StatusOK
	}
	return out, nil
}

// take writes what can be used of a body's events to the topic. None is an error, with the reasons of all.
func (s *Server) take(ctx context.Context, all []schema.EventResult) (EventsResult, error) {
	good, rejected := s.sift(all)
	if len(good) == 0 && len(rejected) > 0 {
		return EventsResult{}, refuse(rejected, len(all))
	}
	return s.writeEvents(ctx, good, rejected)
}

// writeEvents writes events that can be used to the topic. The reasons why others cannot go with the result.
func (s *Server) writeEvents(ctx context.Context, good []schema.Event, rejected []Rejected) (EventsResult, error) {
	fresh := s.withoutDuplicates(ctx, good)
	if len(fresh) > 0 {
		if err := named(fresh); err != nil {
			return EventsResult{}, err
		}
		s.effects.expect(fresh, s.deps.Now(), s.tracer.Current(ctx).Context())
		err := s.publish(ctx, "interactions", func(ctx context.Context) error { return s.deps.Events.Publish(ctx, fresh) })
		s.effects.published(fresh, err)
		if err != nil {
			return EventsResult{}, err
		}
	}
	s.intake.accepted.Add(int64(len(fresh)))
	s.intake.duplicates.Add(int64(len(good) - len(fresh)))
	return EventsResult{Accepted: len(fresh), Duplicates: len(good) - len(fresh), Rejected: rejected}, nil
}

// sift parts events that can be used from the reasons why the others cannot, and counts those.
func (s *Server) sift(all []schema.EventResult) ([]schema.Event, []Rejected) {
	now := s.deps.Now()
	good, rejected := make([]schema.Event, 0, len(all)), []Rejected{}
	for _, r := range all {
		err, why := r.Err, &s.intake.invalid
		if err == nil {
			err, why = r.Event.CheckFuture(now, s.cfg.MaxFuture), &s.intake.ahead
		}
		if err == nil {
			good = append(good, r.Event)
			continue
		}
		why.Add(1)
		rejected = append(rejected, rejection(r.Index, "event", err)...)
	}
	return good, rejected
}

// rejection lists the reasons why one element of a body cannot be used.
func rejection(index int, what string, err error) []Rejected {
	faults := fieldErrors(err)
	if len(faults) == 0 {
		faults = []*schema.FieldError{{Field: what, Reason: err.Error()}}
	}
	all := make([]Rejected, len(faults))
	for i, f := range faults {
		all[i] = Rejected{Index: index, Field: f.Field, Value: f.Value, Reason: f.Reason}
	}
	return all
}

// refuse is the problem of a body without any usable event. It lists a bounded number of reasons.
func refuse(rejected []Rejected, events int) error {
	const shown = 100
	details := make([]error, 0, min(len(rejected), shown))
	for _, r := range rejected[:min(len(rejected), shown)] {
		details = append(details, &huma.ErrorDetail{Message: r.Reason, Location: fmt.Sprintf("body[%d].%s", r.Index, r.Field), Value: r.Value})
	}
	return problem(http.StatusUnprocessableEntity, fmt.Sprintf("none of %d events can be used", events), details...)
}

// withoutDuplicates drops events whose id came before in the same body or stands in the user's window.
func (s *Server) withoutDuplicates(ctx context.Context, events []schema.Event) []schema.Event {
	type id struct{ user, event string }
	type mark struct {
		user string
		hash uint32
	}
	var users []string // in order of appearance, of events that carry an id
	seen, stored, asked := map[id]bool{}, map[mark]bool{}, map[string]bool{}
	for _, e := range events {
		if e.EventID != "" && !asked[e.UserID] && len(users) < maxDuplicateUsers {
			asked[e.UserID] = true
			users = append(users, e.UserID)
		}
	}
	for _, w := range s.windowsOf(ctx, users) {
		for _, in := range w.Entries {
			if in.EventHash != 0 {
				stored[mark{w.UserID, in.EventHash}] = true
			}
		}
	}
	fresh := make([]schema.Event, 0, len(events))
	for _, e := range events {
		k := id{e.UserID, e.EventID}
		if e.EventID != "" && (seen[k] || stored[mark{e.UserID, schema.EventHash(e.EventID)}]) {
			continue
		}
		seen[k] = true
		fresh = append(fresh, e)
	}
	return fresh
}

// named gives every event without an id one of its own: the write behind it is tried again when an acknowledgement is
// lost, and the event that came twice counts once.
func named(events []schema.Event) error {
	for i := range events {
		if events[i].EventID != "" {
			continue
		}
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("name an event: %w", err)
		}
		events[i].EventID = id.String()
	}
	return nil
}

// windowsOf reads the windows of users in one round trip, as far as Redis answers.
func (s *Server) windowsOf(ctx context.Context, users []string) []schema.Window {
	if len(users) == 0 {
		return nil
	}
	var all []schema.Window
	err := s.gateway.do(ctx, func(ctx context.Context, pipe redis.Pipeliner) func() error {
		results := make([]func() (schema.Window, error), len(users))
		for i, u := range users {
			results[i] = s.deps.Windows.Queue(ctx, pipe, u)
		}
		return func() error {
			for i, result := range results {
				w, err := result()
				if err != nil {
					return fmt.Errorf("read window %q: %w", users[i], err)
				}
				w.UserID = users[i]
				all = append(all, w)
			}
			return nil
		}
	})
	if err != nil {
		s.log.Debug("duplicates were not looked for in windows", "err", err)
	}
	return all
}

// retryAfter is what a client is told when Kafka did not take its writes.
const retryAfter = time.Second

// publish runs one write to Kafka under its timeout. Its error is a 503: nothing was claimed, though some of it may have
// been written. Sending the same again is harmless, but for events without an event_id: those may count twice then.
func (s *Server) publish(ctx context.Context, of string, write func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PublishTimeout)
	defer cancel()
	ctx, span := s.startPublish(ctx, of)
	err := write(ctx)
	span.End(err)
	if err != nil {
		s.metrics.sink.WithLabelValues(of).Inc()
		s.log.Warn("write to kafka", "of", of, "err", err)
		return unavailable(retryAfter, "the topic of the %s did not acknowledge the write, some of it may stand there; what is sent again counts once if it has an event_id", of)
	}
	return nil
}
