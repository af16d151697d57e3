// Package tracing carries OpenTelemetry traces along the road of one event: in the headers of a request, in those of a Kafka
// record, and as spans below one another. It owns the form of what is carried (W3C trace context) and nothing else: who
// collects spans, and which, is decided by the trace.TracerProvider that cmd makes.
//
// A nil *Tracer and a zero Span do nothing, allocate nothing and cost a comparison: tracing that is off is free. The package
// keeps no state and starts no goroutine.
package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// scope starts the name of every tracer: the instrumentation scope of its spans.
const scope = "github.com/softrec/softrec/"

// Tracer starts the spans of one part of softrec. The nil Tracer starts none.
type Tracer struct{ tracer trace.Tracer }

// New returns the tracer of a part, "serve" for example; nil for a nil provider.
func New(p trace.TracerProvider, part string) *Tracer {
	if p == nil {
		return nil
	}
	return &Tracer{tracer: p.Tracer(scope + part)}
}

// On reports whether spans are made at all.
func (t *Tracer) On() bool { return t != nil }

// Start begins a span below the one in ctx, and returns a context that holds it.
func (t *Tracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, s := t.tracer.Start(ctx, name, opts...)
	return ctx, Span{tracer: t, span: s}
}

// Current returns the span in ctx, so that others can begin below it without a context.
func (t *Tracer) Current(ctx context.Context) Span {
	if t == nil {
		return Span{}
	}
	return Span{tracer: t, span: trace.SpanFromContext(ctx)}
}

// Span is one step of a trace. The zero Span is none: all its methods do nothing.
type Span struct {
	tracer *Tracer
	span   trace.Span
}

// On reports whether the span will be collected: what is only computed for it can be left out otherwise.
func (s Span) On() bool { return s.span != nil && s.span.IsRecording() }

// Context is what other spans refer to the span by, invalid for none.
func (s Span) Context() trace.SpanContext {
	if s.span == nil {
		return trace.SpanContext{}
	}
	return s.span.SpanContext()
}

// Child begins a span below s. Nobody sees those below a span that is not collected, so it begins none there.
func (s Span) Child(name string) Span {
	if !s.On() {
		return Span{}
	}
	_, c := s.tracer.tracer.Start(trace.ContextWithSpan(context.Background(), s.span), name)
	return Span{tracer: s.tracer, span: c}
}

// Name replaces the span's name.
func (s Span) Name(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// Set adds attributes. Callers ask On first where these cost something to make.
func (s Span) Set(attrs ...attribute.KeyValue) {
	if s.span != nil {
		s.span.SetAttributes(attrs...)
	}
}

// Link says that the span has to do with another one; nothing for an invalid context.
func (s Span) Link(to trace.SpanContext, attrs ...attribute.KeyValue) {
	if s.span != nil && to.IsValid() {
		s.span.AddLink(trace.Link{SpanContext: to, Attributes: attrs})
	}
}

// Fail marks the span as failed with why, a fixed text: nothing that came from outside belongs into it.
func (s Span) Fail(why string) {
	if s.span != nil {
		s.span.SetStatus(codes.Error, why)
	}
}

// End ends the span, as failed where err is not nil: with the Class of err, never with its text.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, Class(err))
	}
	s.span.End()
}
