package broker

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/softrec/softrec/ingest/retry"
)

// Option changes how a Producer or a source reports about itself.
type Option func(*options)

type options struct {
	log *slog.Logger
	reg prometheus.Registerer
}

// WithLogger sets where retries, rebalances and lost records are told; without it nothing is logged.
func WithLogger(log *slog.Logger) Option {
	return func(o *options) {
		if log != nil {
			o.log = log
		}
	}
}

// WithRegisterer sets where metrics are registered; without it they are private.
func WithRegisterer(reg prometheus.Registerer) Option {
	return func(o *options) {
		if reg != nil {
			o.reg = reg
		}
	}
}

func newOptions(opts []Option) options {
	o := options{log: slog.New(slog.DiscardHandler), reg: prometheus.NewRegistry()}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// forever retries until the context ends, with pauses short enough that a broker that comes back is used at once.
func forever() retry.Policy {
	return retry.Policy{Initial: 50 * time.Millisecond, Max: time.Second}
}

// libraryLog hands kafka-go's own chatter on at debug level: what matters of it comes back as errors too.
func libraryLog(log *slog.Logger) kafka.Logger {
	return kafka.LoggerFunc(func(format string, args ...any) {
		log.Debug("kafka-go", "message", fmt.Sprintf(format, args...))
	})
}
