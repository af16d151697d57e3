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

	lives    Lives    // nil: not looked after
	progress Progress // nil: the group's commits count
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

// WithLives makes a source notice that its topic was deleted and made anew, or has lost its end, and go on with positions that follow
// those before. All readers of the topic that keep positions need the same ledger. Without it positions are offsets.
func WithLives(l Lives) Option { return func(o *options) { o.lives = l } }

// WithProgress makes a GroupSource begin where p says that the topic is applied, or where the group has committed if that is earlier.
func WithProgress(p Progress) Option { return func(o *options) { o.progress = p } }

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
