package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// counts are how many spans were sent and how many were not.
type counts struct{ sent, failed prometheus.Counter }

func newCounts(reg prometheus.Registerer) (*counts, error) {
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "softrec_trace_spans_total",
		Help: "Spans of traces by result: sent to the collector, or failed (it was away or refused them). Spans dropped because too many waited are in neither."}, []string{"result"})
	if err := reg.Register(spans); err != nil {
		return nil, fmt.Errorf("register the metrics of traces: %w", err)
	}
	return &counts{sent: spans.WithLabelValues("sent"), failed: spans.WithLabelValues("failed")}, nil
}

// watched is an exporter that counts what it sends and tells of troubles itself: the SDK has only a process-wide place for them.
type watched struct {
	sdktrace.SpanExporter
	counts *counts
	log    *slog.Logger
	away   atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter. Its error is always nil.
func (w *watched) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := w.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		w.counts.failed.Add(float64(len(spans)))
		if !w.away.Swap(true) {
			w.log.Warn("traces are not sent, their spans are dropped", "err", err)
		}
		return nil
	}
	w.counts.sent.Add(float64(len(spans)))
	if w.away.Swap(false) {
		w.log.Info("traces are sent again")
	}
	return nil
}
