package trainer

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/softrec/softrec/schema"
)

// metrics are the trainer's figures; every instance has its own registry entries.
type metrics struct {
	events     prometheus.Counter
	bad        prometheus.Counter
	seen       collected // what events and bad already count
	fresh      prometheus.Gauge
	lag        prometheus.Gauge
	rounds     *prometheus.CounterVec
	roundTime  prometheus.Histogram
	lambda     prometheus.Gauge
	distance   prometheus.Gauge
	hr10       *prometheus.GaugeVec
	ndcg10     *prometheus.GaugeVec
	modelAge   prometheus.Gauge
	modelRound prometheus.Gauge
	rollbacks  prometheus.Counter
	trialSeen  *prometheus.GaugeVec
	trialDiff  *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	m := &metrics{
		events:     prometheus.NewCounter(prometheus.CounterOpts{Name: "softrec_trainer_events_total", Help: "Interactions collected as examples."}),
		bad:        prometheus.NewCounter(prometheus.CounterOpts{Name: "softrec_trainer_bad_records_total", Help: "Records that hold no valid interaction; ingest sets them aside."}),
		fresh:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "softrec_trainer_pending_events", Help: "Interactions collected since the last round began."}),
		lag:        prometheus.NewGauge(prometheus.GaugeOpts{Name: "softrec_trainer_lag_records", Help: "Records on the topic that the trainer has not read yet."}),
		rounds:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "softrec_trainer_rounds_total", Help: "Verdicts of rounds; a candidate that went into the shadow counts as shadow, and again when that is decided."}, []string{"verdict"}),
		roundTime:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "softrec_trainer_round_seconds", Help: "Time of one round.", Buckets: prometheus.ExponentialBuckets(0.5, 2, 12)}),
		lambda:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "softrec_trainer_lambda_ratio", Help: "Weight of the self-distilled targets in the newest epoch."}),
		distance:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "softrec_trainer_distance_ratio", Help: "Distance d_e over d_0 in the newest epoch."}),
		hr10:       prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "softrec_trainer_prequential_hr10_ratio", Help: "Rolling prequential HR@10 by scorer."}, []string{"scorer"}),
		ndcg10:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "softrec_trainer_prequential_ndcg10_ratio", Help: "Rolling prequential NDCG@10 by scorer."}, []string{"scorer"}),
		modelAge:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "softrec_trainer_model_age_events", Help: "Interactions scored since the live model learnt."}),
		rollbacks:  prometheus.NewCounter(prometheus.CounterOpts{Name: "softrec_trainer_rollbacks_total", Help: "Live models that the trainer rolled back."}),
		trialSeen:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "softrec_trainer_trial_events", Help: "Interactions on which a second model stands beside the live one now: a candidate (shadow) or the model before (watch)."}, []string{"kind"}),
		trialDiff:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "softrec_trainer_trial_ndcg10_difference", Help: "Mean NDCG@10 of the newer model less the older one's on these interactions."}, []string{"kind"}),
		modelRound: prometheus.NewGauge(prometheus.GaugeOpts{Name: "softrec_trainer_model_round", Help: "Round that made the live model."}),
	}
	for _, c := range []prometheus.Collector{m.events, m.bad, m.fresh, m.lag, m.rounds, m.roundTime, m.lambda, m.distance, m.hr10, m.ndcg10, m.modelAge, m.modelRound, m.rollbacks, m.trialSeen, m.trialDiff} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// collected brings the counters up to what c has met.
func (m *metrics) collected(c *collector) {
	m.events.Add(float64(max(0, c.stats.Events-m.seen.Events)))
	m.bad.Add(float64(max(0, c.stats.Bad-m.seen.Bad)))
	m.seen = c.stats
	m.fresh.Set(float64(c.fresh))
}

// epoch shows the newest epoch of a curriculum.
func (m *metrics) epoch(e schema.Epoch, base float64) {
	m.lambda.Set(e.Lambda)
	if base > 0 {
		m.distance.Set(e.Distance / base)
	}
}

// round counts a finished round.
func (m *metrics) round(r schema.Round) {
	m.rounds.WithLabelValues(r.Verdict).Inc()
	m.roundTime.Observe(r.Seconds)
}

// trials shows how far the trials are.
func (m *metrics) trials(p *prequential) {
	for kind, t := range map[string]*trial{trialShadow: p.shadow, trialWatch: p.watch} {
		seen, difference := 0.0, 0.0
		if t != nil {
			seen, difference = float64(len(t.users)), t.difference()
		}
		m.trialSeen.WithLabelValues(kind).Set(seen)
		m.trialDiff.WithLabelValues(kind).Set(difference)
	}
}

// scores shows the rolling prequential scores.
func (m *metrics) scores(p schema.Prequential) {
	for s, v := range p.Rolling {
		m.hr10.WithLabelValues(s).Set(v.HR10)
		m.ndcg10.WithLabelValues(s).Set(v.NDCG10)
	}
	m.modelAge.Set(float64(p.ModelAge))
}
