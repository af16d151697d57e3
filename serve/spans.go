package serve

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/softrec/softrec/ingest/tracing"
)

// startSpan begins the span of a request to the API, below that of the client where it names one. Live streams have none: they
// last as long as somebody watches.
func (s *Server) startSpan(r *http.Request) (*http.Request, tracing.Span) {
	if !s.tracer.On() || !underAPI(r.URL.Path) || strings.HasSuffix(r.URL.Path, livePath) || r.URL.Path == healthPath {
		return r, tracing.Span{}
	}
	ctx, span := s.tracer.Start(tracing.FromRequest(r.Context(), r.Header), r.Method, trace.WithSpanKind(trace.SpanKindServer))
	return r.WithContext(ctx), span
}

// endSpan gives the span what is known only after the answer. The path stays out: it holds a user's id.
func endSpan(span tracing.Span, rec *recorder, r *http.Request) {
	if span.On() {
		status := rec.status
		if status == 0 {
			status = http.StatusOK
		}
		route := routeOf(r)
		span.Name(route)
		if _, path, ok := strings.Cut(route, " "); ok {
			route = path
		}
		span.Set(attribute.String("http.request.method", r.Method), attribute.String("http.route", route), attribute.Int("http.response.status_code", status))
		if status >= 500 {
			span.Fail(http.StatusText(status))
		}
	}
	span.End(nil)
}

// startPublish begins the span of a write to a topic.
func (s *Server) startPublish(ctx context.Context, of string) (context.Context, tracing.Span) {
	if !s.tracer.On() {
		return ctx, tracing.Span{}
	}
	return s.tracer.Start(ctx, "publish "+of, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attribute.String("messaging.system", "kafka")))
}

// traceCache says whether a list was there already.
func traceCache(span tracing.Span, hit bool) {
	if span.On() {
		span.Set(attribute.Bool("softrec.cache_hit", hit))
	}
}

// traceAnswer says which answer it was, so that a trace is found from the recommendation_id of a click.
func traceAnswer(span tracing.Span, id string, live *Live, items int) {
	if span.On() {
		span.Set(attribute.String("softrec.recommendation_id", id), attribute.String("softrec.model_version", live.version()), attribute.Int("softrec.items", items))
	}
}
