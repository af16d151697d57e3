// Package rounds is `softrec bench round`: how long a refresh round takes, and what it does to the answers meanwhile.
//
// It runs the demo, whose prober asks at a steady rate, and sorts the answers by whether a round was under way: both kinds come from one
// run, under the same stream of events, minutes apart at most. It promises that an answer counts as quiet only
// if no round, and no change to a round's model, touched it: answers after the last recorded round count as neither. It needs what the demo needs and starts no goroutine of its own.
package rounds

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/demo"
	"github.com/softrec/softrec/trainer/bench/pairs"
)

// Options say how to measure. Start from DefaultOptions.
type Options struct {
	For  time.Duration // length of the demo
	JSON string        // file for the result, empty for none
}

// DefaultOptions take four minutes: some ten rounds.
func DefaultOptions() Options { return Options{For: 4 * time.Minute} }

// settle is how long after a round's end answers still count as the round's: the server takes the new model over.
const settle = time.Second

// Result is what a run found.
type Result struct {
	Cores      int          `json:"cores"` // GOMAXPROCS
	Rounds     int          `json:"rounds"`
	Seconds    pairs.Spread `json:"round_seconds"`
	Share      float64      `json:"round_share"` // of the probed time up to the end of the last round in which one was under way
	Quiet      Answers      `json:"quiet"`       // answers while none was
	Busy       Answers      `json:"busy"`
	Ratio      float64      `json:"p99_ratio"` // busy over quiet; 0 where either has no answers
	LoadBefore string       `json:"load_before"`
	LoadAfter  string       `json:"load_after"`
}

// Answers are the times of some answers, milliseconds.
type Answers struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
}

// Run runs the demo for o.For and returns what it found.
func Run(ctx context.Context, loaded *config.Loaded, log *slog.Logger, version string, o Options) (result Result, err error) {
	if o.For <= 0 {
		return Result{}, fmt.Errorf("--for %s: want more than 0s", o.For)
	}
	folder, err := os.MkdirTemp("", "softrec-bench-")
	if err != nil {
		return Result{}, fmt.Errorf("make a folder for the summary: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	var seen record
	show := demo.DefaultOptions()
	show.Headless, show.For, show.Summary, show.Out, show.Observe = true, o.For, filepath.Join(folder, "summary.json"), io.Discard, seen.add
	before := pairs.Load()
	if err := demo.Run(ctx, loaded, log, version, show); err != nil {
		return Result{}, err
	}
	summary, err := demo.ReadSummary(show.Summary)
	if err != nil {
		return Result{}, err
	}
	result = sum(summary.Rounds, seen.answers)
	result.Cores, result.LoadBefore, result.LoadAfter = runtime.GOMAXPROCS(0), before, pairs.Load()
	return result, result.write(o.JSON)
}

// answer is one request: from when it was due to its answer.
type answer struct {
	due  time.Time
	took time.Duration
}

// record keeps answers.
type record struct {
	mu      sync.Mutex
	answers []answer
}

func (r *record) add(due time.Time, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, answer{due, took})
}

// sum sorts the answers by whether a round was under way, as far as that is known.
func sum(rounds []demo.Round, answers []answer) Result {
	r := Result{Rounds: len(rounds)}
	var seconds []float64
	for _, d := range rounds {
		seconds = append(seconds, d.Seconds)
	}
	r.Seconds = pairs.SpreadOf(seconds)
	answers = known(rounds, answers)
	var quiet, busy []time.Duration
	for _, a := range answers {
		if slices.ContainsFunc(rounds, a.touches) {
			busy = append(busy, a.took)
		} else {
			quiet = append(quiet, a.took)
		}
	}
	r.Quiet, r.Busy = answersOf(quiet), answersOf(busy)
	r.Share = float64(len(busy)) / float64(max(len(answers), 1))
	if r.Quiet.P99 > 0 {
		r.Ratio = r.Busy.P99 / r.Quiet.P99
	}
	return r
}

// known are the answers of which the records tell whether a round was under way: a round is recorded at its end, so after the last one another may
// have begun.
func known(rounds []demo.Round, answers []answer) []answer {
	var until time.Time
	for _, r := range rounds {
		if end := over(r); end.After(until) {
			until = end
		}
	}
	return slices.DeleteFunc(slices.Clone(answers), func(a answer) bool { return !a.due.Before(until) })
}

// over is when answers no longer count as those of a round.
func over(r demo.Round) time.Time {
	return r.Started.Add(time.Duration(r.Seconds*float64(time.Second)) + settle)
}

// touches reports whether the answer was under way while the round was, or shortly after.
func (a answer) touches(r demo.Round) bool {
	return a.due.Before(over(r)) && a.due.Add(a.took).After(r.Started)
}

func answersOf(took []time.Duration) Answers {
	if len(took) == 0 {
		return Answers{}
	}
	slices.SortFunc(took, cmp.Compare[time.Duration])
	at := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
	return Answers{Count: len(took), P50: at(0.5), P99: at(0.99)}
}

// write stores the result as JSON, if a path is given.
func (r Result) write(path string) error {
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

// String shows a result to people.
func (r Result) String() string {
	line := func(name string, a Answers) string {
		return fmt.Sprintf("answers %-18s %6d, p50 %.1f ms, p99 %.1f ms\n", name, a.Count, a.P50, a.P99)
	}
	return fmt.Sprintf("%d rounds on %d cores: median %.1f s, longest %.1f s; a round was under way for %.0f %% of the requests\n", r.Rounds, r.Cores, r.Seconds.Median, r.Seconds.Max, 100*r.Share) +
		line("while none was:", r.Quiet) + line("while one was:", r.Busy) +
		fmt.Sprintf("p99 with a round is %.2f times the quiet one; load before %s, after %s\n", r.Ratio, r.LoadBefore, r.LoadAfter)
}
