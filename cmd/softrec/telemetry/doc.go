// Package telemetry makes the trace.TracerProvider of a process and sends its spans to an OTLP/HTTP collector. It is the only
// place that knows the SDK of OpenTelemetry; the parts of softrec see the interfaces alone.
//
// It is off unless trace.endpoint, OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT names a collector. It sets
// nothing process-wide: no global provider, propagator or error handler. A collector that is away costs spans, never an event or an answer:
// spans wait in a bounded queue, and what does not fit is dropped. Open starts one goroutine, which Close ends.
package telemetry
