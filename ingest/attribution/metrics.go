package attribution

import (
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/softrec/softrec/schema"
)

// Outcomes of records, the values of a metric's label.
const (
	OutcomeAnswer     = "answer"     // an impression was noted
	OutcomeShadow     = "shadow"     // a list that was not shown was noted
	OutcomeClick      = "click"      // an item of an answer was clicked the first time
	OutcomeConversion = "conversion" // an item of an answer led to a conversion the first time
	OutcomeDuplicate  = "duplicate"  // impression or click that was noted before
	OutcomeEarly      = "early"      // a click whose impression has not come: it waits for it
	OutcomeUnlisted   = "unlisted"   // the item was not in the answer
	OutcomeOther      = "other"      // the interaction's type is neither click nor conversion
	OutcomeLate       = "late"       // after the attribution window, or before the answer; or read so late that its answer is no longer kept
	OutcomeForeign    = "foreign"    // the id is none of softrec's
	OutcomeFull       = "full"       // left out by the hash of its id, since max_open answers are kept soon, or too many clicks wait for impressions
	OutcomeScored     = "scored"     // a list was held against the next interaction
	OutcomeForgotten  = "forgotten"  // an impression from before its user was forgotten, read after it
	OutcomeSkipped    = "skipped"    // the record had been applied before
)

// told is how many model versions the metrics tell apart; labels of older ones are dropped.
const told = 8

type metrics struct {
	records *prometheus.CounterVec
	answers *prometheus.CounterVec
	items   *prometheus.CounterVec
	scored  *prometheus.CounterVec
	hits    *prometheus.CounterVec
	gain    *prometheus.CounterVec
	damaged prometheus.Counter

	mu           sync.Mutex
	models, arms []string // with labels, the one that was used last at the end
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		records: vec("softrec_attribution_records_total",
			"Impressions and interactions by what became of them: answer, shadow, click, conversion, scored, duplicate, early (waits for its impression), unlisted (item not in the answer), other (type is neither), late, foreign (unknown id), full, forgotten (its user was), skipped.", "outcome"),
		answers: vec("softrec_attribution_answers_total",
			"Logged answers by arm, model version and what happened: shown, clicked (at least once), converted.", "arm", "model", "what"),
		items: vec("softrec_attribution_items_total",
			"Items of logged answers by arm, model version, source and what happened: shown, clicked, converted, each once per answer.", "arm", "model", "source", "what"),
		scored: vec("softrec_attribution_lists_scored_total",
			"Lists held against the user's next interaction, by arm and model version; shadow says whether they were only computed.", "arm", "model", "shadow"),
		hits: vec("softrec_attribution_lists_hit_total",
			"Scored lists whose first ten items held the next interaction; over lists_scored it is HR@10.", "arm", "model", "shadow"),
		gain: vec("softrec_attribution_lists_gain_total",
			"Sum of the discounted gains at ten of scored lists; over lists_scored it is NDCG@10.", "arm", "model", "shadow"),
		damaged: prometheus.NewCounter(prometheus.CounterOpts{Name: "softrec_attribution_unreadable_total",
			Help: "Stored values of answers, lists or totals that could not be read and were begun anew."}),
	}
	for _, c := range []prometheus.Collector{m.records, m.answers, m.items, m.scored, m.hits, m.gain, m.damaged} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of attribution: %w", err)
		}
	}
	return m, nil
}

// observe counts what was written.
func (m *metrics) observe(c change) {
	for outcome, n := range c.outcomes {
		m.records.WithLabelValues(outcome).Add(float64(n))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range c.sortedArms() {
		d := c.arms[k]
		if d.Answers > 0 || d.Scored > 0 {
			m.know(k)
		}
	}
	for k, d := range c.arms {
		arm, model, shadow := m.arm(k.arm), m.label(k.model), fmt.Sprint(k.shadow)
		add(m.answers, d.Answers, arm, model, "shown")
		add(m.answers, d.Clicked, arm, model, "clicked")
		add(m.answers, d.Converted, arm, model, "converted")
		add(m.scored, d.Scored, arm, model, shadow)
		add(m.hits, d.Hits, arm, model, shadow)
		if d.Gain > 0 {
			m.gain.WithLabelValues(arm, model, shadow).Add(d.Gain)
		}
	}
	for k, d := range c.sources {
		arm, model := m.arm(k.arm), m.label(k.model)
		add(m.items, d.Shown, arm, model, string(k.source), "shown")
		add(m.items, d.Clicked, arm, model, string(k.source), "clicked")
		add(m.items, d.Converted, arm, model, string(k.source), "converted")
	}
}

func add(v *prometheus.CounterVec, n int64, labels ...string) {
	if n > 0 {
		v.WithLabelValues(labels...).Add(float64(n))
	}
}

func (m *metrics) label(model string) string {
	if slices.Contains(m.models, model) {
		return model
	}
	return schema.OlderVersions
}

func (m *metrics) arm(arm string) string {
	if slices.Contains(m.arms, arm) {
		return arm
	}
	return schema.OlderArms
}

// know gives a version and an arm labels and takes them from those that were not used for longest.
func (m *metrics) know(k armKey) {
	m.models, m.arms = m.fewer("model", touched(m.models, k.model), told), m.fewer("arm", touched(m.arms, k.arm), maxArms)
}

// fewer leaves the last most of all values of a label their labels.
func (m *metrics) fewer(label string, all []string, most int) []string {
	for ; len(all) > most; all = all[1:] {
		for _, v := range []*prometheus.CounterVec{m.answers, m.items, m.scored, m.hits, m.gain} {
			v.DeletePartialMatch(prometheus.Labels{label: all[0]})
		}
	}
	return all
}
