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

// Inject adds the span of ctx to the headers of a record, and returns them: the same, nil included, where ctx has no span.
func Inject(ctx context.Context, headers map[string]string) map[string]string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
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
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier(headers)))
}

// FromRequest returns ctx with the span that a request's headers name.
func FromRequest(ctx context.Context, h http.Header) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(h))
}
