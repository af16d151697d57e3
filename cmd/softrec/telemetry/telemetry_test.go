package telemetry_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/softrec/softrec/cmd/softrec/telemetry"
)

// sink is a collector that speaks OTLP over HTTP.
type sink struct {
	mu      sync.Mutex
	path    string
	key     string
	service string
	spans   []string
	status  int
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.path, s.key = r.URL.Path, r.Header.Get("X-Key")
	if s.status != 0 {
		w.WriteHeader(s.status)
		return
	}
	body, _ := io.ReadAll(r.Body)
	var req collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &req); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, of := range req.ResourceSpans {
		for _, kv := range of.Resource.Attributes {
			if kv.Key == "service.name" {
				s.service = kv.Value.GetStringValue()
			}
		}
		for _, in := range of.ScopeSpans {
			for _, sp := range in.Spans {
				s.spans = append(s.spans, sp.Name)
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// send makes n spans with cfg and returns the metrics and the log.
func send(t *testing.T, cfg telemetry.Config, n int) (*prometheus.Registry, string) {
	t.Helper()
	reg, log := prometheus.NewRegistry(), &bytes.Buffer{}
	traces, err := telemetry.Open(t.Context(), cfg, "v1", []string{"serve"}, reg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	tracer := traces.Provider().Tracer("test")
	for range n {
		_, s := tracer.Start(t.Context(), "answer")
		s.End()
	}
	if err := traces.Close(); err != nil {
		t.Fatal(err)
	}
	return reg, log.String()
}

// Spans reach a collector that the settings name, or the environment; keys for it come from the environment.
func TestOpen_sendsToACollector(t *testing.T) {
	s := &sink{}
	server := httptest.NewServer(s)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "X-Key=secret")
	t.Setenv("OTEL_SERVICE_NAME", "shop")
	reg, _ := send(t, telemetry.Config{Endpoint: server.URL, Ratio: 1}, 3)
	if len(s.spans) != 3 || s.path != "/v1/traces" || s.key != "secret" || s.service != "shop" {
		t.Errorf("the collector got %+v", s)
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`# HELP softrec_trace_spans_total Spans of traces by result: sent to the collector, or failed (it was away or refused them). Spans dropped because too many waited are in neither.
# TYPE softrec_trace_spans_total counter
softrec_trace_spans_total{result="failed"} 0
softrec_trace_spans_total{result="sent"} 3
`)); err != nil {
		t.Error(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	send(t, telemetry.Config{Ratio: 1, Service: "recommender"}, 1)
	if len(s.spans) != 4 || s.service != "recommender" || s.path != "/v1/traces" {
		t.Errorf("from the environment the collector got %+v", s)
	}
	send(t, telemetry.Config{Ratio: 0}, 5)
	if len(s.spans) != 4 {
		t.Errorf("%d spans at a ratio of 0", len(s.spans)-4)
	}
	t.Setenv("OTEL_SDK_DISABLED", "true")
	traces, err := telemetry.Open(t.Context(), telemetry.Config{Endpoint: server.URL, Ratio: 1}, "", nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil || traces.Provider() != nil || traces.Address() != "" || traces.Close() != nil {
		t.Errorf("turned off by the environment: %+v, %v", traces, err)
	}
}

// A collector that refuses costs the spans, one line in the log and nothing else.
func TestOpen_collectorRefuses(t *testing.T) {
	s := &sink{status: http.StatusForbidden}
	server := httptest.NewServer(s)
	defer server.Close()
	reg, log := send(t, telemetry.Config{Endpoint: server.URL + "/tenant/v1/traces", Ratio: 1}, 2)
	if got := testutil.CollectAndCount(gatherer{reg}, "softrec_trace_spans_total"); got != 2 {
		t.Errorf("%d series", got)
	}
	if s.path != "/tenant/v1/traces" || strings.Count(log, "traces are not sent") != 1 {
		t.Errorf("asked %s, logged %s", s.path, log)
	}
}

type gatherer struct{ reg *prometheus.Registry }

func (g gatherer) Describe(c chan<- *prometheus.Desc) { g.reg.Describe(c) }
func (g gatherer) Collect(c chan<- prometheus.Metric) { g.reg.Collect(c) }

func TestOpen_off(t *testing.T) {
	traces, err := telemetry.Open(t.Context(), telemetry.DefaultConfig(), "", nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil || traces.Provider() != nil || traces.Close() != nil {
		t.Errorf("without a collector: %+v, %v", traces, err)
	}
}

func TestConfig_names(t *testing.T) {
	for want, cfg := range map[string]telemetry.Config{
		`trace.endpoint "collector:4318"`:                 {Endpoint: "collector:4318"},
		`trace.endpoint "ftp://x"`:                        {Endpoint: "ftp://x"},
		`trace.endpoint "http://me:xxxxx@collector:4318"`: {Endpoint: "http://me:secret@collector:4318"},
		`trace.ratio 1.5`:                                 {Ratio: 1.5},
		`trace.ratio -1`:                                  {Ratio: -1},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v, want %s", cfg, err, want)
		}
	}
	if err := telemetry.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}
