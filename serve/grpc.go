package serve

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"github.com/danielgtaylor/huma/v2"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rpc"
)

// grpcPrefixes are the paths of the calls, of reflection and of the health service.
var grpcPrefixes = []string{"/" + rpc.SoftrecServiceName + "/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/", "/grpc.health.v1.Health/"}

// ofCalls reports whether a path is one of gRPC's.
func ofCalls(path string) bool {
	for _, p := range grpcPrefixes {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// healthPath is open as /readyz is: it tells no more.
const healthPath = "/grpc.health.v1.Health/Check"

// asksOnly reports whether a call changes nothing.
func asksOnly(path string) bool {
	return ofCalls(path) && path != rpc.SoftrecServiceTakeEventsProcedure
}

// mountCalls adds the calls of package rpc, reflection and health to mux.
func (s *Server) mountCalls(mux *http.ServeMux) {
	limit := connect.WithReadMaxBytes(int(s.cfg.MaxBodyBytes))
	mux.Handle(rpc.NewSoftrecServiceHandler(calls{s}, limit))
	reflector := grpcreflect.NewStaticReflector(rpc.SoftrecServiceName, grpchealth.HealthV1ServiceName)
	mux.Handle(grpcreflect.NewHandlerV1(reflector, limit))
	mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector, limit))
	mux.Handle(grpchealth.NewHandler(healthOf{s}, limit))
}

// healthOf answers gRPC's health service with what /readyz says.
type healthOf struct{ s *Server }

// Check implements grpchealth.Checker.
func (h healthOf) Check(ctx context.Context, req *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if req.Service != "" && req.Service != rpc.SoftrecServiceName && req.Service != grpchealth.HealthV1ServiceName {
		return nil, connect.NewError(connect.CodeNotFound, errors.New("no service "+req.Service))
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	status := grpchealth.StatusServing
	if h.s.Ready(ctx) != nil {
		status = grpchealth.StatusNotServing
	}
	return &grpchealth.CheckResponse{Status: status}, nil
}

// calls answers the calls of package rpc by the handlers of the HTTP API.
type calls struct{ s *Server }

// Recommend implements rpc.SoftrecServiceHandler.
func (c calls) Recommend(ctx context.Context, req *connect.Request[rpc.RecommendRequest]) (*connect.Response[rpc.Answer], error) {
	p, err := c.params(req.Msg.GetWant())
	if err != nil {
		return nil, callError(err)
	}
	if err := schema.CheckUserID(req.Msg.GetUserId()); err != nil {
		return nil, callError(invalid("user_id", err))
	}
	if req.Msg.GetWant().GetFilterSeen() {
		if p.Rules, err = unseen(); err != nil {
			return nil, callError(err)
		}
	}
	q, err := c.s.userQuery(p, req.Msg.GetUserId(), "")
	if err != nil {
		return nil, callError(err)
	}
	return called(c.s.recommendUser(ctx, req.Msg.GetUserId(), q))
}

// Similar implements rpc.SoftrecServiceHandler.
func (c calls) Similar(ctx context.Context, req *connect.Request[rpc.SimilarRequest]) (*connect.Response[rpc.Answer], error) {
	p, err := c.params(req.Msg.GetWant())
	if err != nil {
		return nil, callError(err)
	}
	return called(c.s.getSimilar(ctx, &similarInput{Item: req.Msg.GetItemId(), ListParams: p}))
}

// Popular implements rpc.SoftrecServiceHandler.
func (c calls) Popular(ctx context.Context, req *connect.Request[rpc.PopularRequest]) (*connect.Response[rpc.Answer], error) {
	p, err := c.params(req.Msg.GetWant())
	if err != nil {
		return nil, callError(err)
	}
	return called(c.s.getPopular(ctx, &popularInput{ListParams: p}))
}

// Session implements rpc.SoftrecServiceHandler.
func (c calls) Session(ctx context.Context, req *connect.Request[rpc.SessionRequest]) (*connect.Response[rpc.Answer], error) {
	p, err := c.params(req.Msg.GetWant())
	if err != nil {
		return nil, callError(err)
	}
	body, err := sessionQuestion(req.Msg)
	if err != nil {
		return nil, callError(err)
	}
	return called(c.s.postSession(ctx, &sessionInput{Logging: p.Logging, RawBody: body}))
}

// TakeEvents implements rpc.SoftrecServiceHandler.
func (c calls) TakeEvents(ctx context.Context, req *connect.Request[rpc.TakeEventsRequest]) (*connect.Response[rpc.TakeEventsResponse], error) {
	in := req.Msg.GetEvents()
	if len(in) == 0 {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("events: is empty"))
	}
	if len(in) > schema.MaxBatchEvents {
		return nil, connect.NewError(connect.CodeResourceExhausted, schema.ErrTooManyEvents)
	}
	all := make([]schema.EventResult, len(in))
	for i, e := range in {
		all[i].Index = i
		all[i].Event, all[i].Err = eventOf(e)
	}
	taken, err := c.s.take(ctx, all)
	if err != nil {
		return nil, callError(err)
	}
	out := &rpc.TakeEventsResponse{Accepted: int32(taken.Accepted), Duplicates: int32(taken.Duplicates)}
	for _, r := range taken.Rejected {
		out.Rejected = append(out.Rejected, &rpc.TakeEventsResponse_Rejected{Index: int32(r.Index), Field: r.Field, Value: r.Value, Reason: r.Reason})
	}
	return connect.NewResponse(out), nil
}

// params turns what a call wants into the parameters of the HTTP API, within the same bounds.
func (c calls) params(w *rpc.Want) (ListParams, error) {
	if n := int(w.GetN()); n < 0 || n > schema.MaxAnswerItems {
		return ListParams{}, problem(http.StatusUnprocessableEntity, "validation failed", &huma.ErrorDetail{Location: "want.n", Value: n, Message: "want 0 to 1000"})
	}
	p := ListParams{N: int(w.GetN()), Category: w.GetCategories(), Exclude: w.GetExclude(), Explain: w.GetExplain()}
	if w.GetUnlogged() {
		p.Log = "false"
	}
	return p, nil
}
