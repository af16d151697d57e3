package ingest

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of one consumer. The label stream tells the interactions from the items.
type metrics struct {
	records  *prometheus.CounterVec // by outcome
	rekeyed  prometheus.Counter
	apply    prometheus.Histogram
	batch    prometheus.Histogram
	visible  prometheus.Histogram
	lag      prometheus.Gauge
	lags     *prometheus.GaugeVec // by partition
	delay    prometheus.Gauge
	inHand   prometheus.Gauge
	pending  prometheus.Gauge
	retries  *prometheus.CounterVec // by what is away
	commits  *prometheus.CounterVec // by result
	rewinds  prometheus.Counter
	sync     prometheus.Histogram
	pageLost prometheus.Counter
}

// Values of the label outcome.
const (
	outcomeApplied    = "applied"
	outcomeDuplicate  = "duplicate"
	outcomeLate       = "late"
	outcomeSkipped    = "skipped"
	outcomeForgotten  = "forgotten"
	outcomeDeadLetter = "deadletter"
)

// whatStore is the value of the label what for the store.
const whatStore = "store"

func newMetrics(reg prometheus.Registerer, stream string) (*metrics, error) {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	plain := reg
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"stream": stream}, reg)
	m := &metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "softrec_ingest_records_total",
			Help: "Records taken from Kafka by what became of them: applied, duplicate (event id seen), late (past the lateness bound), skipped (offset seen), forgotten (tombstone, or from before one in another partition), deadletter."}, []string{"outcome"}),
		rekeyed: prometheus.NewCounter(prometheus.CounterOpts{Name: "softrec_ingest_rekeyed_records_total",
			Help: "Records whose key differs from the id in their value; the value counts."}),
		apply: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "softrec_ingest_apply_seconds",
			Help: "Time to apply one batch to the store, waiting for a store that is away included.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16)}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "softrec_ingest_batch_records",
			Help: "Records in one batch.", Buckets: prometheus.ExponentialBuckets(1, 2, 13)}),
		visible: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "softrec_ingest_visible_seconds",
			Help:    "Time from a record's own time, which is when it was sent to Kafka, until what it says could be read from the store, by record; clocks of two machines differ by what they differ.",
			Buckets: []float64{.001, .0025, .005, .01, .015, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}}),
		lags: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "softrec_ingest_partition_lag_records", ConstLabels: prometheus.Labels{"stream": stream},
			Help: "Records of a partition of this process that it has not taken yet."}, []string{"partition"}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{Name: "softrec_ingest_lag_records",
			Help: "Records of this process's partitions that are not applied yet, those it waits to begin with included."}),
		delay: prometheus.NewGauge(prometheus.GaugeOpts{Name: "softrec_ingest_lag_seconds",
			Help: "Age of the oldest record that is not applied, in seconds, measured once a second; 0 when nothing waits. Of what is taken from Kafka it is the record's own age. Of a partition with nothing taken it is the age of what was applied of it last, or the time since its records were seen to wait."}),
		inHand: prometheus.NewGauge(prometheus.GaugeOpts{Name: "softrec_ingest_in_hand_records",
			Help: "Records of all batches that are taken from Kafka and not applied yet."}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{Name: "softrec_ingest_uncommitted_partitions",
			Help: "Partitions with applied records whose offsets are not committed yet."}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "softrec_ingest_retries_total",
			Help: "Waits for something that was away, by what: store (as a batch is applied, or as it is asked where to begin), deadletter, receipt or impressions."}, []string{"what"}),
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "softrec_ingest_commits_total",
			Help: "Offset commits by result: ok, sync_error (the store was not durable), look_error (a part of the store was away after the sync, or another process), note_error (the store did not take the position) or error."}, []string{"result"}),
		rewinds: prometheus.NewCounter(prometheus.CounterOpts{Name: "softrec_ingest_rewinds_total",
			Help: "Times the store was another process than before, and records were read again from where it says that they are applied."}),
		sync: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "softrec_ingest_sync_seconds",
			Help: "Time to make the store durable before a commit.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
		pageLost: prometheus.NewCounter(prometheus.CounterOpts{Name: "softrec_ingest_page_dropped_events_total",
			Help: "Events that the page's feed of newest events left out; windows have them."}),
	}
	for _, c := range []prometheus.Collector{m.records, m.rekeyed, m.apply, m.batch, m.visible, m.lag, m.delay, m.inHand, m.pending,
		m.retries, m.commits, m.rewinds, m.sync, m.pageLost} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register ingest metrics: %w", err)
		}
	}
	if err := plain.Register(m.lags); err != nil { // not wrapped: without a sample nobody could tell its kind otherwise
		return nil, fmt.Errorf("register ingest metrics: %w", err)
	}
	return m, nil
}
