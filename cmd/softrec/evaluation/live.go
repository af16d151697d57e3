package evaluation

import (
	"fmt"
	"slices"
)

// Live is what one replay in real time showed of the application besides its answers: how fast it went, how old the models
// were, and what the answers did not know yet. Unless said otherwise figures are about the scored questions.
type Live struct {
	Seed    int64   `json:"seed"`
	Speed   float64 `json:"speed"`             // events per second that were asked for; 0 is as fast as it goes
	Reached float64 `json:"events_per_second"` // that came of it
	Seconds float64 `json:"seconds"`           // of the replay, warm-up included

	Questions    int   `json:"questions"`
	Failed       int   `json:"failed"`               // requests without an answer: empty lists
	Degraded     int   `json:"degraded"`             // answers that say that something was missing
	WithoutModel int   `json:"without_model"`        // answers before the first model
	Returning    int   `json:"returning"`            // questions about users who had been sent before
	StaleWindows int   `json:"stale_windows"`        // of those, answers from a window that lacked some of what had been sent
	TextReady    int   `json:"text_ready,omitempty"` // answers with the language model's scores
	TextLate     int   `json:"text_late,omitempty"`  // answers without, as the answer budget was over before it had read the window
	Struck       int   `json:"struck"`               // listed items that were to be left out: places lost, as nothing takes them
	Models       int   `json:"models"`               // versions that answered
	DeadLetters  int64 `json:"dead_letters"`         // of the whole replay
	Rounds       int   `json:"rounds"`               // that ended within the replay
	Refreshed    int   `json:"refreshed"`            // rounds whose new counts and mixing model went live
	Promoted     int   `json:"promoted"`             // rounds whose network went live
	RolledBack   int   `json:"rolled_back"`          // rounds whose model was taken back
	FailedRounds int   `json:"failed_rounds"`        // rounds that broke
	RoundSeconds Span  `json:"round_seconds"`        // of a round
	Age          Span  `json:"age_events"`           // events that had been sent and that the answering model had not learnt
	NewAge       Span  `json:"new_age_events"`       // the same of each version's first answer: how old a model is when it goes live
	LagMS        Span  `json:"lag_ms"`               // how much later than due a question was asked
	PublishMS    Span  `json:"publish_ms"`           // from the turn of a basket to the broker's word that it has it
}

// Span sums up a distribution.
type Span struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// Sentence says what a reader must know of the replay.
func (l Live) Sentence() string {
	pace := fmt.Sprintf("%.0f events per second", l.Speed)
	if l.Speed == 0 {
		pace = "no pace"
	}
	s := fmt.Sprintf("%.0f s at %.0f events per second (%s asked for; questions were asked %.1f ms late at the median, %.0f ms at the 99th percentile). ", l.Seconds, l.Reached, pace, l.LagMS.P50, l.LagMS.P99)
	s += fmt.Sprintf("%d versions answered; the answering model had not learnt %.0f events at the median, %.0f at the 99th percentile; a new version begins with %.0f at the median. ", l.Models, l.Age.P50, l.Age.P99, l.NewAge.P50)
	s += fmt.Sprintf("%d rounds of %.1f s at the median: the network went live in %d, new counts and mixing model before it in %d, %d were rolled back, %d broke. ", l.Rounds, l.RoundSeconds.P50, l.Promoted, l.Refreshed, l.RolledBack, l.FailedRounds)
	s += fmt.Sprintf("Of %d answers to users who had been there, %d came from a window that lacked some of what had been sent. ", l.Returning, l.StaleWindows)
	s += fmt.Sprintf("%d requests failed, %d answers were degraded, %d came before the first model, %d records were set aside.", l.Failed, l.Degraded, l.WithoutModel, l.DeadLetters)
	if l.TextReady+l.TextLate > 0 {
		s += fmt.Sprintf(" %d answers had the language model's scores, %d came before it had read the window.", l.TextReady, l.TextLate)
	}
	if l.Struck > 0 {
		s += fmt.Sprintf(" %d places went to items that were to be left out, which the window did not show.", l.Struck)
	}
	return s
}

// SpanOf sums up values.
func SpanOf(values []float32) Span {
	if len(values) == 0 {
		return Span{}
	}
	sorted := slices.Sorted(slices.Values(values))
	at := func(q float64) float64 { return float64(sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]) }
	sum := 0.0
	for _, v := range sorted {
		sum += float64(v)
	}
	return Span{Mean: sum / float64(len(sorted)), P50: at(0.5), P99: at(0.99), Max: float64(sorted[len(sorted)-1])}
}
