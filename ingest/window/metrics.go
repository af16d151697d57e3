package window

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	applySeconds prometheus.Histogram
	scriptLoads  prometheus.Counter
	unreadable   prometheus.Counter
	unnamed      prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	m := &metrics{
		applySeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "softrec_window_apply_seconds",
			Help:    "Time to apply one batch of records to the windows in Redis, failed calls included.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		scriptLoads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "softrec_window_script_loads_total",
			Help: "Times the window script was loaded because Redis did not have it: once per start of Redis is normal.",
		}),
		unreadable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "softrec_window_unreadable_total",
			Help: "Stored windows that could not be read when they were to be changed: they were begun anew.",
		}),
		unnamed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "softrec_window_unnamed_entries_total",
			Help: "Entries left out of windows that were read because the dictionary of items does not have their numbers any more.",
		}),
	}
	for _, c := range []prometheus.Collector{m.applySeconds, m.scriptLoads, m.unreadable, m.unnamed} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register window metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) observeApply(start time.Time) { m.applySeconds.Observe(time.Since(start).Seconds()) }
