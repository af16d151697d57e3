package bench

import (
	"fmt"
	"strings"

	"github.com/softrec/softrec/trainer/bench/seqstep"
)

// Quality is what a time to quality found.
type Quality struct {
	Contestants []Contestant       `json:"contestants"`
	Threads     int                `json:"threads"`
	Seed        uint64             `json:"seed"`
	Target      float64            `json:"target_hr10"`
	Items       int                `json:"items"`
	Rows        int                `json:"rows"`  // training sequences
	Cases       int                `json:"cases"` // test questions
	Curves      map[string][]Point `json:"curves"`
	Reached     map[string]float64 `json:"seconds_to_target"` // of training, compiling included; absent where the target was not reached
	Ratio       map[string]float64 `json:"speed_to_torch"`    // PyTorch's seconds over one's own; absent where either did not reach the target
	LoadBefore  string             `json:"load_before"`
	LoadAfter   string             `json:"load_after"`
	Notes       []string           `json:"notes,omitempty"`
}

// Point is one measurement.
type Point struct {
	Epoch   int     `json:"epoch"`
	Seconds float64 `json:"seconds"` // of training so far
	Loss    float64 `json:"loss"`    // nats
	HR10    float64 `json:"hr10"`
}

// take adds a measurement to a curve.
func (q *Quality) take(name string, epochs int, a seqstep.Answer) {
	p := Point{Epoch: epochs, Seconds: a.Trained, Loss: a.Loss, HR10: a.HR10}
	if curve := q.Curves[name]; len(curve) > 0 {
		last := curve[len(curve)-1]
		p.Epoch, p.Seconds = p.Epoch+last.Epoch, p.Seconds+last.Seconds
	}
	q.Curves[name] = append(q.Curves[name], p)
	if _, ok := q.Reached[name]; !ok && p.HR10 >= q.Target {
		q.Reached[name] = p.Seconds
	}
}

// done reports whether a contestant is there or out of time.
func (q *Quality) done(name string, o QualityOptions) bool {
	curve := q.Curves[name]
	_, there := q.Reached[name]
	return there || len(curve) > 0 && curve[len(curve)-1].Seconds >= o.Minutes*60
}

func (q *Quality) sum() {
	torch, ok := q.Reached[Torch]
	for name, s := range q.Reached {
		if ok && name != Torch {
			q.Ratio[name] = torch / s
		}
	}
}

// QualityTable shows a result to people.
func QualityTable(q Quality) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Training until HR@10 is %g: %d items, %d training rows, %d questions, %d threads, load before %s, after %s.\n",
		q.Target, q.Items, q.Rows, q.Cases, q.Threads, q.LoadBefore, q.LoadAfter)
	for _, n := range q.Notes {
		fmt.Fprintf(&b, "  %s\n", n)
	}
	for _, c := range q.Contestants {
		curve := q.Curves[c.Name]
		best, last := Point{}, curve[len(curve)-1]
		for _, p := range curve {
			if p.HR10 > best.HR10 {
				best = p
			}
		}
		fmt.Fprintf(&b, "%s (%s): ", c.Name, c.About)
		if s, ok := q.Reached[c.Name]; ok {
			fmt.Fprintf(&b, "%.0f s, %d epochs", s, last.Epoch)
			if r, ok := q.Ratio[c.Name]; ok {
				fmt.Fprintf(&b, ", %.2f times as fast as PyTorch", r)
			}
			fmt.Fprintln(&b)
			continue
		}
		fmt.Fprintf(&b, "not reached in %.0f s and %d epochs; best %.4f at epoch %d\n", last.Seconds, last.Epoch, best.HR10, best.Epoch)
	}
	return b.String()
}
