package broker

import (
	"errors"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// sourceMetrics count what a source of one topic lives through.
type sourceMetrics struct {
	errors prometheus.Counter // failed fetches, joins and requests that were retried
	lost   prometheus.Counter // offsets that retention took before they were read
	joins  prometheus.Counter // group generations joined
	lives  *prometheus.CounterVec
	queue  prometheus.GaugeFunc
	store  atomic.Pointer[func()] // called for each wait for the store behind Lives and Progress; nil: such waits count as errors
}

// failed counts err, after which the source tries again.
func (m *sourceMetrics) failed(err error) {
	if count := m.store.Load(); count != nil && fromLedger(err) {
		(*count)()
		return
	}
	m.errors.Inc()
}

func newSourceMetrics(reg prometheus.Registerer, topic string, queue func() float64) *sourceMetrics {
	labels := prometheus.Labels{"topic": topic}
	return &sourceMetrics{
		errors: register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: "softrec_broker_source_errors_total",
			Help: "Failed fetches, group joins and requests of a source; each was retried.", ConstLabels: labels})),
		lost: register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: "softrec_broker_lost_offsets_total",
			Help: "Offsets that were gone (retention, or the topic was made anew) before they could be read.", ConstLabels: labels})),
		joins: register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: "softrec_broker_group_joins_total",
			Help: "Consumer-group generations this process was a member of.", ConstLabels: labels})),
		lives: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "softrec_broker_partition_lives_total",
			Help: "Times a partition's offsets began anew, by reason: recreated (the topic was deleted and made anew) or truncated (the cluster lost the partition's end).", ConstLabels: labels}, []string{"reason"})),
		queue: register(reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "softrec_broker_queue_records",
			Help: "Records read ahead of the consumer.", ConstLabels: labels}, queue)),
	}
}

type producerMetrics struct {
	records *prometheus.CounterVec
	errors  *prometheus.CounterVec
	seconds prometheus.Histogram
}

func newProducerMetrics(reg prometheus.Registerer) *producerMetrics {
	return &producerMetrics{
		records: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "softrec_broker_published_records_total",
			Help: "Records the broker acknowledged, by topic."}, []string{"topic"})),
		errors: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "softrec_broker_publish_errors_total",
			Help: "Failed attempts to publish, retried or not, by topic."}, []string{"topic"})),
		seconds: register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{Name: "softrec_broker_publish_seconds",
			Help: "Time from Publish to acknowledgement, retries included, in seconds.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 15)})),
	}
}

// register returns the collector that is registered under c's name: c, or the one of an earlier source of the same
// topic in this process, so that two of them add up instead of clashing.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	err := reg.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if old, ok := already.ExistingCollector.(C); ok {
			return old
		}
	}
	return c
}
