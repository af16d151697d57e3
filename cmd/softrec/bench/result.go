package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/softrec/softrec/trainer/bench/pairs"
	"github.com/softrec/softrec/trainer/bench/seqstep"
)

// lossSteps is how many steps the losses are compared over: Adam moves every weight in each. The first loss tests the forward pass to
// firstTolerance; the later ones test gradients and Adam to laterTolerance, as Adam's first moves are of full size in whatever
// direction rounding gives a gradient that is nearly zero. Nats.
const (
	lossSteps      = 6
	firstTolerance = 1e-4
	laterTolerance = 1e-3
)

// Result is what a run found.
type Result struct {
	Contestants []Contestant `json:"contestants"`
	Threads     int          `json:"threads"`
	Rounds      int          `json:"rounds"`
	Seconds     float64      `json:"seconds_per_turn"`
	Seed        uint64       `json:"seed"`
	LoadBefore  string       `json:"load_before"` // others' work: before the first process of the run was started
	LoadAfter   string       `json:"load_after"`  // with the run's own
	Lines       []Line       `json:"shapes"`
	Notes       []string     `json:"notes,omitempty"`
}

// Contestant is who took part, and what it says of itself.
type Contestant struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// Line is one shape: by contestant the weights, the losses that must agree, and the times.
type Line struct {
	Shape     string                  `json:"shape"`
	About     string                  `json:"about"`
	Positions int                     `json:"positions"` // trained ones of a step
	Rows      int                     `json:"rows"`      // sequences of a step
	Params    map[string]int          `json:"params"`
	Losses    map[string][]float64    `json:"losses"`     // nats, without dropout, before each of the first steps
	Apart     float64                 `json:"loss_apart"` // largest distance of two contestants' first losses, nats
	Drift     float64                 `json:"loss_drift"` // the same over all steps
	MS        map[string][]float64    `json:"ms"`         // a step, median of each turn
	Step      map[string]pairs.Spread `json:"step_ms"`    // of MS
	Examples  map[string]float64      `json:"examples_per_second"`
	Ratio     map[string]pairs.Spread `json:"speed_to_torch"` // PyTorch's time over one's own, by round: above 1 is faster than PyTorch
}

func newLine(s seqstep.Shape) Line {
	return Line{Shape: s.Name, About: s.String(), Positions: s.Positions(), Rows: s.Train.Batch, Params: map[string]int{}, Losses: map[string][]float64{},
		MS: map[string][]float64{}, Step: map[string]pairs.Spread{}, Examples: map[string]float64{}, Ratio: map[string]pairs.Spread{}}
}

// sum fills in what follows from losses and times.
func (l *Line) sum(s seqstep.Shape) {
	l.Apart, l.Drift = l.distance(1), l.distance(lossSteps)
	for name, ms := range l.MS {
		l.Step[name] = pairs.SpreadOf(ms)
		l.Examples[name] = 1000 * float64(s.Train.Batch) / l.Step[name].Median
		if torch := l.MS[Torch]; name != Torch && len(torch) > 0 && l.agrees() {
			l.Ratio[name] = pairs.SpreadOf(pairs.Ratios(torch, ms))
		}
	}
}

// agrees reports whether the losses are those of one computation.
func (l *Line) agrees() bool { return l.Apart <= firstTolerance && l.Drift <= laterTolerance }

// distance is the largest one of two contestants' losses over the first steps; infinite where one has too few or a NaN.
func (l *Line) distance(steps int) float64 {
	apart := 0.0
	for i := range steps {
		low, high := math.Inf(1), math.Inf(-1)
		for _, losses := range l.Losses {
			if i >= len(losses) || math.IsNaN(losses[i]) {
				return math.MaxFloat64 // JSON has no infinity
			}
			low, high = min(low, losses[i]), max(high, losses[i])
		}
		apart = max(apart, high-low)
	}
	return apart
}

// agree is an error where contestants do not compute the same thing.
func (r Result) agree() error {
	var faults []error
	for _, l := range r.Lines {
		if !l.agrees() {
			faults = append(faults, fmt.Errorf("shape %s: losses are %.2g apart at the first step and %.2g within %d, want at most %g and %g: %v",
				l.Shape, l.Apart, l.Drift, lossSteps, firstTolerance, laterTolerance, l.Losses))
		}
		want := -1
		for name, n := range l.Params {
			if want >= 0 && n != want {
				faults = append(faults, fmt.Errorf("shape %s: %s has %d weights, another has %d", l.Shape, name, n, want))
			}
			want = n
		}
	}
	return errors.Join(faults...)
}

// write stores the result as JSON, if a path is given.
func write(r any, path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
