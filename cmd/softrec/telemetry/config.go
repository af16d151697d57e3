package telemetry

import (
	"errors"
	"fmt"
	"net/url"
)

// Config says where traces go. The zero value sends none.
type Config struct {
	Endpoint string  `koanf:"endpoint" help:"URL of an OTLP/HTTP collector that traces go to, such as http://collector:4318; empty means that of OTEL_EXPORTER_OTLP_ENDPOINT, and none without it"`
	Ratio    float64 `koanf:"ratio" help:"share of the traces that begin here that are kept, 0 to 1; whether one of a client's traceparent is kept the client has decided"`
	Service  string  `koanf:"service" help:"service.name of the spans; empty means OTEL_SERVICE_NAME, or softrec"`
}

// DefaultConfig sends nothing, and one trace in a hundred once a collector is named.
func DefaultConfig() Config { return Config{Ratio: 0.01} }

// Validate reports every fault at once, each naming its field and value.
func (c Config) Validate() error {
	var errs []error
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			errs = append(errs, fmt.Errorf("trace.endpoint %q: want http://host:port or https://host:port", redacted(c.Endpoint)))
		case u.User != nil:
			errs = append(errs, fmt.Errorf("trace.endpoint %q: want no user and password in it; put what the collector asks for into OTEL_EXPORTER_OTLP_HEADERS", redacted(c.Endpoint)))
		}
	}
	if !(c.Ratio >= 0 && c.Ratio <= 1) {
		errs = append(errs, fmt.Errorf("trace.ratio %g: want 0 to 1", c.Ratio))
	}
	return errors.Join(errs...)
}

// redacted is an address without its password.
func redacted(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "(cannot be parsed)"
	}
	return u.Redacted()
}
