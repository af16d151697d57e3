package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/tracing"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// A trace that comes in the headers of a record goes on to the write of its window, through a real broker; the record that
// cannot be used ends as failed, and its dead letter carries the trace on.
func TestTrail_fromHeadersToTheWindow(t *testing.T) {
	b := newBench(t, "")
	rec := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(rec))
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	c := b.consume(WithTraces(p))
	header := func(n int) map[string]string {
		return map[string]string{tracing.HeaderParent: fmt.Sprintf("00-0af7651916cd43dd8448eb211c8031%02x-b7ad6b7169203331-01", n)}
	}
	good := eventRecord(schema.Event{UserID: "u", ItemID: "i", Timestamp: start})
	good.Headers = header(1)
	quiet := eventRecord(schema.Event{UserID: "v", ItemID: "i", Timestamp: start})
	b.publish(good, quiet, broker.Record{Key: []byte("secret-key"), Value: []byte(`{"user_id":"secret-user","timestamp":"secret-value"}`), Headers: header(2)})
	b.committed(b.cfg.Topic)
	if err := c.halt(); err != nil {
		t.Fatal(err)
	}
	byTrace, names := map[string][]string{}, map[string]sdktrace.ReadOnlySpan{}
	for _, s := range rec.Ended() {
		id := s.SpanContext().TraceID().String()
		byTrace[id] = append(byTrace[id], s.Name())
		names[s.Name()+id[30:]] = s
	}
	if got := fmt.Sprint(byTrace["0af7651916cd43dd8448eb211c803101"]); got != "[window write process interactions]" {
		t.Errorf("the event's trace has %s", got)
	}
	if got := fmt.Sprint(byTrace["0af7651916cd43dd8448eb211c803102"]); got != "[process interactions]" {
		t.Errorf("the poison's trace has %s", got)
	}
	if s := names["process interactions02"]; s == nil || s.Status().Code.String() != "Error" || s.Status().Description != "set aside" {
		t.Errorf("the record that was set aside is not marked as failed, but %+v", s)
	}
	if said := told(rec.Ended()); strings.Contains(said, "secret") {
		t.Errorf("the spans tell what was in a record: %s", said)
	}
	process := names["process interactions01"]
	if process == nil || process.Parent().SpanID().String() != "b7ad6b7169203331" || len(process.Links()) != 1 {
		t.Errorf("the event's span is %v, want it below the publisher's and linked to its batch", process)
	}
	dead := b.readAll(b.cfg.DeadLetterTopic)
	if len(dead) != 1 || tracing.Extract(dead[0].Headers).TraceID().String() != "0af7651916cd43dd8448eb211c803102" {
		t.Errorf("dead letters %v do not carry the trace on", dead)
	}
}

// A write that fails is marked as what failed, without the user's id in the error.
func TestTrail_failedWriteNamesNoUser(t *testing.T) {
	rec := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(rec))
	r := eventRecord(schema.Event{UserID: "secret-user", ItemID: "i", Timestamp: start})
	r.Headers = map[string]string{tracing.HeaderParent: "00-0af7651916cd43dd8448eb211c803101-b7ad6b7169203331-01"}
	recs := []broker.Record{r}
	tr := newTrail(tracing.New(p, "ingest"), recs, start)
	tr.write(decode(recs, 0).users).end(fmt.Errorf("append window %q: %w", "secret-user", &window.CorruptError{User: "secret-user", Reason: "secret-value"}))
	tr.end()
	failed := 0
	for _, s := range rec.Ended() {
		if s.Status().Description == "*window.CorruptError" {
			failed++
		}
	}
	if said := told(rec.Ended()); failed != 2 || strings.Contains(said, "secret") {
		t.Errorf("%d spans say what failed, want the write and its record: %s", failed, said)
	}
}

// told is all that spans say: names, status, attributes, events, links and the client's state.
func told(spans []sdktrace.ReadOnlySpan) string {
	var all strings.Builder
	for _, s := range spans {
		fmt.Fprintln(&all, s.Name(), s.Status(), s.Attributes(), s.Events(), s.Links(), s.SpanContext().TraceState())
	}
	return all.String()
}

// However many events of a batch are traced, their spans are bounded.
func TestTrail_isBounded(t *testing.T) {
	rec := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(rec))
	recs := numberedBatches(1, 500, 10)[0]
	for i := range recs {
		recs[i].Headers = map[string]string{tracing.HeaderParent: "00-0af7651916cd43dd8448eb211c803101-b7ad6b7169203331-01"}
	}
	tr := newTrail(tracing.New(p, "ingest"), recs, start)
	tr.write(decode(recs, 0).users).end(nil)
	tr.end()
	if n := len(rec.Ended()); n != 2*maxTraced+1 {
		t.Errorf("%d spans, want %d", n, 2*maxTraced+1)
	}
	if newTrail(nil, recs, start) != nil {
		t.Error("a trail without a tracer")
	}
	quiet := numberedBatches(1, 500, 10)[0]
	if n := testing.AllocsPerRun(10, func() { newTrail(nil, quiet, start).write(nil).end(nil) }); n != 0 {
		t.Errorf("%v allocations when traces are off", n)
	}
}
