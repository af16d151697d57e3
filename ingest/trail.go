package ingest

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/tracing"
	"github.com/softrec/softrec/ingest/window"
)

// maxTraced bounds the spans of one batch: a client that has every event traced must not make ingest a producer of spans.
const maxTraced = 64

// place is where a record stands on its topic.
type place struct {
	partition int
	offset    int64
}

// trail are the spans of a batch's traced records: for each one below that of who sent it, and one of the batch that links to
// them. Lanes only read it. The nil trail is that of a batch without any.
type trail struct {
	batch   tracing.Span
	records map[place]tracing.Span
}

// newTrail begins the spans of those of recs whose headers name a trace that is collected.
func newTrail(t *tracing.Tracer, recs []broker.Record, started time.Time) *trail {
	if !t.On() {
		return nil
	}
	var tr *trail
	for _, r := range recs {
		from := tracing.Extract(r.Headers)
		if !from.IsSampled() {
			continue
		}
		if tr == nil {
			tr = &trail{records: map[place]tracing.Span{}}
			_, tr.batch = t.Start(context.Background(), "interactions batch", trace.WithTimestamp(started), trace.WithAttributes(attribute.Int("messaging.batch.message_count", len(recs))),
				trace.WithSpanKind(trace.SpanKindConsumer))
		}
		if len(tr.records) == maxTraced {
			break
		}
		_, span := t.Start(trace.ContextWithRemoteSpanContext(context.Background(), from), "process interactions",
			trace.WithTimestamp(started), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
				attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", r.Topic),
				attribute.Int("messaging.destination.partition.id", r.Partition), attribute.Int64("messaging.kafka.offset", r.Offset)))
		if tr.batch.On() {
			span.Link(tr.batch.Context())
		}
		tr.batch.Link(span.Context())
		tr.records[place{r.Partition, r.Offset}] = span
	}
	return tr
}

// setAside ends the spans of records that could not be used.
func (t *trail) setAside(bad []poison) {
	if t == nil {
		return
	}
	for _, p := range bad {
		if span, ok := t.records[place{p.rec.Partition, p.rec.Offset}]; ok {
			span.Fail("set aside")
			span.End(nil) // the reason quotes the record; it is in the dead letter
		}
	}
}

// writing are the spans of one lane's write to the windows.
type writing []struct{ record, write tracing.Span }

// write begins the spans of what a lane writes for users.
func (t *trail) write(users []window.UserBatch) writing {
	if t == nil {
		return nil
	}
	var all writing
	for _, u := range users {
		for _, r := range u.Records {
			if span, ok := t.records[place{u.Partition, r.Offset}]; ok {
				all = append(all, struct{ record, write tracing.Span }{span, span.Child("window write")})
			}
		}
	}
	return all
}

// end ends them, and with them those of their records: what these say can be read now.
func (w writing) end(err error) {
	for _, s := range w {
		s.write.End(err)
		s.record.End(err)
	}
}

// end ends the batch's own span.
func (t *trail) end() {
	if t != nil {
		t.batch.End(nil)
	}
}
