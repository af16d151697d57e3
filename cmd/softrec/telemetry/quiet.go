package telemetry

import (
	"fmt"
	"log/slog"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
)

// Quiet sends what OpenTelemetry would print itself to log, without the values it adds: one of them may be a header with a key. It is
// the library's one setting for the whole process, so main calls it, not a part.
func Quiet(log *slog.Logger) {
	log = log.With("component", "opentelemetry")
	otel.SetLogger(logr.New(sink{log}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("OpenTelemetry reports a fault; see the variables OTEL_*", "kind", fmt.Sprintf("%T", err))
	}))
}

// sink implements logr.LogSink.
type sink struct{ log *slog.Logger }

func (sink) Init(logr.RuntimeInfo) {}
func (sink) Enabled(int) bool      { return true }

func (s sink) Info(_ int, msg string, _ ...any) { s.log.Debug(msg) }

func (s sink) Error(_ error, msg string, _ ...any) {
	s.log.Warn("OpenTelemetry reports a fault; see the variables OTEL_*", "what", msg)
}

func (s sink) WithValues(...any) logr.LogSink { return s }
func (s sink) WithName(string) logr.LogSink   { return s }
