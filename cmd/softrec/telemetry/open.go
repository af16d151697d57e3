package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// closeWithin bounds how long the end of a process waits for its last spans to be sent.
const closeWithin = 5 * time.Second

// Traces is where the spans of a process go.
type Traces struct {
	provider *sdktrace.TracerProvider // nil: nowhere
	address  string
}

// Open connects the spans of a process of this version, which runs roles, with the collector that cfg or the environment
// names; with none, or with OTEL_SDK_DISABLED=true, it returns Traces that are off. It does not wait for the collector. The
// metrics of reg say what became of spans; troubles with the collector go to log, once each time they begin.
func Open(ctx context.Context, cfg Config, version string, roles []string, reg prometheus.Registerer, log *slog.Logger) (*Traces, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	counts, err := newCounts(reg)
	if err != nil {
		return nil, err
	}
	address := cmp.Or(cfg.Endpoint, os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
	if address == "" || strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return &Traces{}, nil
	}
	var opts []otlptracehttp.Option
	if cfg.Endpoint != "" { // else the exporter reads the environment itself
		opts = append(opts, otlptracehttp.WithEndpointURL(withPath(cfg.Endpoint)))
	}
	exporter, err := otlptracehttp.New(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("send traces to %s: %w", redacted(address), err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithAttributes(
		attribute.String("service.name", "softrec"), attribute.String("service.version", version), attribute.StringSlice("softrec.roles", roles),
	), resource.WithFromEnv(), resource.WithAttributes(named(cfg.Service)...))
	if err != nil {
		return nil, fmt.Errorf("describe this process for traces: %w", err)
	}
	p := sdktrace.NewTracerProvider(sdktrace.WithResource(about),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Ratio))),
		sdktrace.WithBatcher(&watched{SpanExporter: exporter, counts: counts, log: log.With("component", "trace", "collector", redacted(address))}))
	return &Traces{provider: p, address: redacted(address)}, nil
}

func named(service string) []attribute.KeyValue {
	if service == "" {
		return nil
	}
	return []attribute.KeyValue{attribute.String("service.name", service)}
}

// withPath gives an address without a path that of OTLP.
func withPath(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || strings.Trim(u.Path, "/") != "" {
		return endpoint
	}
	u.Path = "/v1/traces"
	return u.String()
}

// Provider makes tracers, nil when traces are off.
func (t *Traces) Provider() trace.TracerProvider {
	if t == nil || t.provider == nil {
		return nil
	}
	return t.provider
}

// Address is the collector's, without its password; "" when traces are off.
func (t *Traces) Address() string { return t.address }

// Close sends what waits, for some seconds at most. A collector that is away is no fault of the process.
func (t *Traces) Close() error {
	if t.provider == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what was not sent is counted and logged
	return nil
}
