package tracing

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// HeaderParent and HeaderState are the headers of the W3C trace context, in requests and in Kafka records.
const (
	HeaderParent = "traceparent"
	HeaderState  = "tracestate"
)

// maxState is how long a tracestate may be to be carried on, in bytes. W3C wants at least so much; a client may send 16 KB.
const maxState = 512

// bounded is sc without a state that is too long: that of other vendors' tracing is lost then, the trace is not.
func bounded(sc trace.SpanContext) trace.SpanContext {
	if sc.TraceState().Len() > 0 && len(sc.TraceState().String()) > maxState {
		return sc.WithTraceState(trace.TraceState{})
	}
	return sc
}

// Inject adds the span of ctx to the headers of a record, and returns them: the same, nil included, where ctx has no span that is
// collected.
func Inject(ctx context.Context, headers map[string]string) map[string]string {
	if sc := trace.SpanContextFromContext(ctx); !sc.IsValid() || !sc.IsSampled() {
		return headers
	}
	if headers == nil {
		headers = make(map[string]string, 2)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.MapCarrier(headers))
	return headers
}

// Extract returns the span that a record's headers name; invalid where they name none, or none that can be read.
func Extract(headers map[string]string) trace.SpanContext {
	if headers[HeaderParent] == "" {
		return trace.SpanContext{}
	}
	return bounded(trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier(headers))))
}

// FromRequest returns ctx with the span that a request's headers name.
func FromRequest(ctx context.Context, h http.Header) context.Context {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(h))
	if sc := trace.SpanContextFromContext(ctx); sc.IsRemote() {
		return trace.ContextWithRemoteSpanContext(ctx, bounded(sc))
	}
	return ctx
}
