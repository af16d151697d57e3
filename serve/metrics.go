package serve

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the admin port shows of this package. Figures that the page shows too are kept once, in the parts
// that own them, and only read from here.
type metrics struct {
	seconds   *prometheus.HistogramVec // by route, code class
	errors    *prometheus.CounterVec   // by route, status
	panics    prometheus.Counter
	inFlight  prometheus.Gauge
	degraded  *prometheus.CounterVec // by cause
	items     *prometheus.CounterVec // by source
	sink      *prometheus.CounterVec // by topic
	unseen    *prometheus.CounterVec // by kind
	liveDrops prometheus.Counter

	effect  prometheus.Histogram
	unaware prometheus.Counter

	impressions *prometheus.CounterVec // by what
	shadows     *prometheus.CounterVec // by what

	texts       *prometheus.CounterVec // by how
	textSeconds prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, s *Server) (*metrics, error) {
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "softrec_serve_request_seconds", Help: "Time from the first byte of a request to the end of its answer, by route pattern and status class.",
			Buckets: []float64{.0005, .001, .002, .003, .005, .0075, .01, .015, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route", "code"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "softrec_serve_errors_total", Help: "Requests answered with a status of 400 or more, by route pattern and status.",
		}, []string{"route", "status"}),
		panics:   prometheus.NewCounter(prometheus.CounterOpts{Name: "softrec_serve_panics_total", Help: "Panics in handlers that were contained."}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "softrec_serve_requests_in_flight", Help: "Requests being answered now, live streams included."}),
		degraded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "softrec_serve_degraded_total", Help: "Answers given without Redis, by cause (redis: it failed, spared: the breaker was open).",
		}, []string{"cause"}),
		items: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "softrec_serve_items_total", Help: "Recommended items by source.",
		}, []string{"source"}),
		sink: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "softrec_serve_publish_failures_total", Help: "Writes to Kafka that failed, by topic.",
		}, []string{"topic"}),
		unseen: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "softrec_serve_not_yet_visible_total", Help: "Changes answered with 202 because they were not visible within visible_wait, by kind (item, user).",
		}, []string{"kind"}),
		effect: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "softrec_serve_event_effect_seconds", Help: "Time from an event that this process accepted until its first answer that knows it, by the user's newest event; what the user takes to ask is in it, and events the user asks about a minute later or more are left out.",
			Buckets: []float64{.001, .0025, .005, .01, .015, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}),
		unaware: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "softrec_serve_unaware_answers_total", Help: "Answers given while the user's window did not have the newest event that this process had accepted from the user more than 250 ms before: the event was on its way, or was dropped as late.",
		}),
		impressions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "softrec_serve_impressions_total", Help: "Impressions by what became of them (logged: on the topic, rate: left out by impressions.rate, queue: no room, failed: Kafka did not take them).",
		}, []string{"what"}),
		shadows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "softrec_serve_shadow_lists_total", Help: "Lists of shadow arms by what became of them (computed, dropped: too many waited, fallback: the arm has no model of its own now, failed).",
		}, []string{"what"}),
		texts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "softrec_serve_text_answers_total", Help: "Answers a language model could have a part in, by how (cached: its reading was there, older: so was it, but titles have come since it was made, read: made within answer_budget, late: not made in time, failed: the model could not read it, nothing: no title to read).",
		}, []string{"how"}),
		textSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "softrec_serve_text_read_seconds", Help: "Time the language model takes to read one batch of histories.",
			Buckets: []float64{.002, .005, .01, .02, .03, .05, .075, .1, .2, .5, 1, 2, 5, 10},
		}),
		liveDrops: prometheus.NewCounter(prometheus.CounterOpts{Name: "softrec_serve_live_dropped_total", Help: "Live streams closed because their reader was too slow."}),
	}
	return m, register(reg, append(append(m.derived(s), s.load.collectors()...),
		m.seconds, m.errors, m.panics, m.inFlight, m.degraded, m.items, m.sink, m.unseen, m.liveDrops, m.effect, m.unaware, m.texts, m.textSeconds, m.impressions, m.shadows))
}

// derived reads figures that other parts of s keep.
func (*metrics) derived(s *Server) []prometheus.Collector {
	counter := func(name, help string, f func() int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(f()) })
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	rejected := func(reason string, n *atomic.Int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "softrec_serve_events_rejected_total", ConstLabels: prometheus.Labels{"reason": reason},
			Help: "Events that POST /v1/events and its like refused, by reason (invalid, ahead: further ahead of this machine's clock than max_future)."}, func() float64 { return float64(n.Load()) })
	}
	return []prometheus.Collector{
		counter("softrec_serve_cache_hits_total", "Lists answered from the cache.", s.cache.hits.Load),
		counter("softrec_serve_cache_misses_total", "Lists that had to be computed.", s.cache.misses.Load),
		counter("softrec_serve_events_accepted_total", "Events written to Kafka for POST /v1/events.", s.intake.accepted.Load),
		counter("softrec_serve_events_duplicate_total", "Events of POST /v1/events known already and not written again.", s.intake.duplicates.Load),
		rejected("invalid", &s.intake.invalid), rejected("ahead", &s.intake.ahead),
		counter("softrec_serve_model_swaps_total", "Models that went live in this process.", s.models.swaps.Load),
		counter("softrec_serve_model_load_failures_total", "Snapshots that could not be loaded; the model before stayed.", s.models.failures.Load),
		gauge("softrec_serve_cache_items", "Recommended items held in cached lists.", func() float64 { return float64(s.cache.size()) }),
		counter("softrec_serve_text_dropped_total", "Histories dropped because text_queue was full.", func() int64 { return s.deskFigure(func(d *desk) int64 { return d.dropped.Load() }) }),
		counter("softrec_serve_text_failures_total", "Batches of histories the language model could not read.", func() int64 { return s.deskFigure(func(d *desk) int64 { return d.failures.Load() }) }),
		gauge("softrec_serve_text_queue", "Histories waiting for the language model.", func() float64 {
			return float64(s.deskFigure(func(d *desk) int64 { return int64(d.queued()) }))
		}),
		gauge("softrec_serve_arms_fallen_back", "Arms, shadows among them, that the live model stands in for because their own cannot be read.", func() float64 { return float64(s.fallenBack()) }),
		gauge("softrec_serve_live_subscribers", "Live streams open now.", func() float64 { return float64(s.hub.count()) }),
		gauge("softrec_serve_catalogue_items", "Live items in this process's copy of the catalogue.", func() float64 { return float64(s.deps.Catalogue.Len()) }),
		gauge("softrec_serve_redis_spared", "1 while the breaker keeps requests away from Redis, else 0.", func() float64 {
			if s.gateway.breaker.open() {
				return 1
			}
			return 0
		}),
		gauge("softrec_serve_model_age_seconds", "Time since the live model was made; 0 before the first.", func() float64 {
			live := s.models.live.Load()
			if live == nil {
				return 0
			}
			return age(s.deps.Now(), live.Manifest.CreatedAt)
		}),
	}
}

func register(reg prometheus.Registerer, all []prometheus.Collector) error {
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// age returns the seconds since t, never negative: clocks of two machines differ.
func age(now, t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, now.Sub(t).Seconds())
}

// deskFigure reads a figure of the desk, 0 without one.
func (s *Server) deskFigure(of func(d *desk) int64) int64 {
	if s.desk == nil {
		return 0
	}
	return of(s.desk)
}
