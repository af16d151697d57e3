package probe

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/softrec/softrec/schema"
)

// Figures sums up one kind of measurement. Quantiles are over those that succeeded, in milliseconds.
type Figures struct {
	Count  int64 // begun and ended
	Failed int64 // ended without the answer that was due
	P50ms  float64
	P99ms  float64
}

// Report is what a prober has seen so far.
type Report struct {
	Requests  Figures // for recommendations of active users
	Clicks    Figures // from sending a click to receiving an answer that knows of it
	Texts     Figures // from sending a click to receiving an answer with the language model's scores for it; none without one
	Ready     Figures // requests answered with the language model's scores, read meanwhile or before
	Pending   Figures // requests answered before it had read the window
	Changed   Figures // requests that were the first to know of a click and had its scores at once: where the clicked item has a title, it read the window meanwhile
	Unchanged Figures // requests asked once more after an answer with its scores: the window is as it was
	Served    int64   // answers that held at least one item
	Models    int64   // answers computed by a published model
	LastError string  // the newest failure, empty when there was none
}

// tally gathers measurements; it is safe for concurrent use.
type tally struct {
	mu             sync.Mutex
	count, failed  int64
	served, models int64
	last           string
	micros         *hdrhistogram.Histogram
}

// longest bounds what the histogram tells apart; a longer time counts as this.
const longest = time.Minute

func newTally() *tally { return &tally{micros: hdrhistogram.New(1, longest.Microseconds(), 3)} }

// add counts one measurement; err says that it failed.
func (t *tally) add(took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count++
	if err != nil {
		t.failed++
		t.last = err.Error()
		return
	}
	_ = t.micros.RecordValue(min(max(took, time.Microsecond), longest).Microseconds()) // in range by construction
}

// answered takes note of an answer's content.
func (t *tally) answered(a schema.Answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(a.Items) > 0 {
		t.served++
	}
	if a.ModelVersion != "" {
		t.models++
	}
}

func (t *tally) figures() Figures {
	t.mu.Lock()
	defer t.mu.Unlock()
	ms := func(q float64) float64 { return float64(t.micros.ValueAtQuantile(q)) / 1000 }
	return Figures{Count: t.count, Failed: t.failed, P50ms: ms(50), P99ms: ms(99)}
}
