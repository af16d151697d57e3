package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/softrec/softrec/ingest/tracing"
)

func recorder(t *testing.T) (*tracing.Tracer, *tracetest.SpanRecorder) {
	t.Helper()
	rec := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(rec))
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	return tracing.New(p, "test"), rec
}

// A trace that leaves in the headers of a record comes out of them as it was, and a request's headers name the same.
func TestCarry_recordAndRequest(t *testing.T) {
	tr, rec := recorder(t)
	ctx, span := tr.Start(t.Context(), "publish")
	headers := tracing.Inject(ctx, nil)
	if got := tracing.Extract(headers); got.TraceID() != span.Context().TraceID() || got.SpanID() != span.Context().SpanID() || !got.IsSampled() || !got.IsRemote() {
		t.Errorf("carried %v, want the remote form of %v", got, span.Context())
	}
	h := http.Header{}
	for k, v := range headers {
		h.Set(k, v)
	}
	ctx, answer := tr.Start(tracing.FromRequest(t.Context(), h), "answer")
	child := tr.Current(ctx).Child("rank")
	child.End(nil)
	answer.End(errors.New("no model for alice"))
	span.End(nil)
	ended := rec.Ended()
	if len(ended) != 3 {
		t.Fatalf("%d spans ended, want 3", len(ended))
	}
	for _, s := range ended {
		if s.SpanContext().TraceID() != span.Context().TraceID() {
			t.Errorf("%s is of another trace", s.Name())
		}
	}
	if rank := ended[0]; rank.Name() != "rank" || rank.Parent().SpanID() != answer.Context().SpanID() {
		t.Errorf("%s is below %v, want rank below the answer", rank.Name(), rank.Parent().SpanID())
	}
	if st := ended[1].Status(); st.Code != codes.Error || st.Description != "*errors.errorString" {
		t.Errorf("the failed span has the status %+v", st)
	}
}

// A client's tracestate goes on to records as long as it is short: one of many events, each with the client's 16 KB, would swell
// the topic. Neither do spans keep a long one.
func TestCarry_boundsTheState(t *testing.T) {
	tr, rec := recorder(t)
	state := func(members int) string {
		all := make([]string, members)
		for i := range all {
			all[i] = fmt.Sprintf("vendor%d=%s", i, strings.Repeat("x", 100))
		}
		return strings.Join(all, ",")
	}
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for members, want := range map[int]string{4: state(4), 5: "", 32: ""} {
		h := http.Header{}
		h.Set("Traceparent", parent)
		h.Set("Tracestate", state(members))
		ctx, span := tr.Start(tracing.FromRequest(t.Context(), h), "answer")
		headers := tracing.Inject(ctx, nil)
		span.End(nil)
		if got := headers[tracing.HeaderState]; got != want || headers[tracing.HeaderParent] == "" {
			t.Errorf("%d bytes of state: %d bytes are carried in %d headers, want %d", len(state(members)), len(got), len(headers), len(want))
		}
		record := map[string]string{tracing.HeaderParent: parent, tracing.HeaderState: state(members)}
		if got := tracing.Extract(record); got.TraceState().String() != want || !got.IsRemote() || !got.IsSampled() {
			t.Errorf("%d bytes of state: a record's trace is %v", len(state(members)), got)
		}
		ended := rec.Ended()
		if s := ended[len(ended)-1]; s.SpanContext().TraceState().String() != want || s.SpanContext().TraceID().String() != parent[3:35] {
			t.Errorf("%d bytes of state: the span is %v", len(state(members)), s.SpanContext())
		}
	}
}

// Headers that name no trace change nothing, also broken ones.
func TestExtract_nothing(t *testing.T) {
	for _, h := range []map[string]string{nil, {}, {"traceparent": "00-zz"}, {"traceparent": "00-00000000000000000000000000000000-0000000000000000-01"}} {
		if sc := tracing.Extract(h); sc.IsValid() {
			t.Errorf("%v: got %v", h, sc)
		}
	}
	if h := tracing.Inject(t.Context(), nil); h != nil {
		t.Errorf("a context without a span made the headers %v", h)
	}
}

// Spans below one that is not collected are not begun, and records do not carry its trace.
func TestSpan_unsampled(t *testing.T) {
	rec := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(rec), sdktrace.WithSampler(sdktrace.NeverSample()))
	tr := tracing.New(p, "test")
	ctx, span := tr.Start(t.Context(), "answer")
	if span.On() || span.Child("rank").On() {
		t.Error("a span that nobody collects says that it is")
	}
	span.End(nil)
	if h := tracing.Inject(ctx, nil); h != nil {
		t.Errorf("a trace that nobody collects is carried on in %v", h)
	}
	if n := len(rec.Ended()); n != 0 {
		t.Errorf("%d spans were collected", n)
	}
}

// Tracing that is off allocates nothing on the way of a request or a record.
func TestTracer_offIsFree(t *testing.T) {
	var off *tracing.Tracer
	if tracing.New(nil, "serve") != nil || off.On() {
		t.Fatal("no provider makes a tracer")
	}
	ctx, headers := context.Background(), map[string]string{}
	n := testing.AllocsPerRun(100, func() {
		ctx, span := off.Start(ctx, "answer")
		child := off.Current(ctx).Child("rank")
		child.Name("x")
		if child.On() {
			child.Set(attribute.Int("n", 1))
		}
		child.Link(trace.SpanContext{})
		child.Fail("x")
		child.End(nil)
		span.End(nil)
		if tracing.Extract(headers).IsValid() || tracing.Inject(ctx, nil) != nil {
			t.Fatal("a trace came from nowhere")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
