package ingestion

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/softrec/softrec/trainer/bench/pairs"
)

// Targets of the real consumer.
const (
	TargetRatio      = 0.7    // of the slower of reading and script
	TargetVisibleMS  = 25.0   // 99th percentile
	targetVisibleFor = 10_000 // events/s at which it counts
)

// Result is what a run found. Rates are events per second, medians of the rounds.
type Result struct {
	Servers string                  `json:"servers"` // embedded, or kafka and redis
	Cores   int                     `json:"cores"`   // GOMAXPROCS
	Events  int                     `json:"events"`
	Users   int                     `json:"users"`
	Read    float64                 `json:"read_only"`
	Script  float64                 `json:"script_only"`
	Ingest  float64                 `json:"ingest"`
	Ratio   float64                 `json:"ratio"` // of ingest to the slower of the others, median of the rounds
	Ratios  pairs.Spread            `json:"ratios"`
	CPU     CPU                     `json:"cpu_us"` // medians
	Rounds  []Round                 `json:"rounds"`
	Visible Quantiles               `json:"visible_ms"`
	Loops   []Visible               `json:"open_loop,omitempty"`
	Shared  map[string]pairs.Spread `json:"processes,omitempty"` // events/s by number of ingest processes
	Before  string                  `json:"load_before"`
	After   string                  `json:"load_after"`
}

// Round is one turn of each contestant, events/s, with what each cost this process.
type Round struct {
	Read   float64 `json:"read_only"`
	Script float64 `json:"script_only"`
	Ingest float64 `json:"ingest"`
	CPU    CPU     `json:"cpu_us"`
}

// CPU is processor time of this process, microseconds an event, the embedded pair's included where that is in it. Unlike rates it means
// something on a machine that others use, too.
type CPU struct {
	Read   float64 `json:"read_only"`
	Script float64 `json:"script_only"`
	Ingest float64 `json:"ingest"`
}

// ratio is of ingest to the slower of its halves.
func (r Round) ratio() float64 { return r.Ingest / min(r.Read, r.Script) }

// Quantiles are the times until an event is visible, ms, by the rate in events/s.
type Quantiles struct {
	P50 map[string]float64 `json:"p50"`
	P99 map[string]float64 `json:"p99"`
}

// sum fills in what follows from rounds and loops.
func (r *Result) sum() {
	column := func(of func(Round) float64) pairs.Spread {
		var values []float64
		for _, round := range r.Rounds {
			values = append(values, of(round))
		}
		return pairs.SpreadOf(values)
	}
	r.Read = column(func(r Round) float64 { return r.Read }).Median
	r.Script = column(func(r Round) float64 { return r.Script }).Median
	r.Ingest = column(func(r Round) float64 { return r.Ingest }).Median
	r.Ratios = column(Round.ratio)
	r.Ratio = r.Ratios.Median
	r.CPU = CPU{
		Read:   column(func(r Round) float64 { return r.CPU.Read }).Median,
		Script: column(func(r Round) float64 { return r.CPU.Script }).Median,
		Ingest: column(func(r Round) float64 { return r.CPU.Ingest }).Median,
	}
	r.Visible = Quantiles{P50: map[string]float64{}, P99: map[string]float64{}}
	for _, v := range r.Loops {
		r.Visible.P50[strconv.Itoa(v.Rate)], r.Visible.P99[strconv.Itoa(v.Rate)] = v.P50, v.P99
	}
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
	var b strings.Builder
	fmt.Fprintf(&b, "%d events of %d users, %d rounds by turns, on %s and %d cores; load before %s, after %s\n", r.Events, r.Users, len(r.Rounds), r.Servers, r.Cores, r.Before, r.After)
	fmt.Fprintf(&b, "  kafka-go, reading and decoding  %8.0f events/s\n", r.Read)
	fmt.Fprintf(&b, "  window script, pipelined        %8.0f events/s\n", r.Script)
	fmt.Fprintf(&b, "  ingest                          %8.0f events/s, %.2f of the slower of the two (%.2f to %.2f; target %.2f)\n", r.Ingest, r.Ratio, r.Ratios.Min, r.Ratios.Max, TargetRatio)
	fmt.Fprintf(&b, "processor time of this process, microseconds an event: reading %.1f, script %.1f, ingest %.1f\n", r.CPU.Read, r.CPU.Script, r.CPU.Ingest)
	for _, v := range r.Loops {
		fmt.Fprintf(&b, "event to visible window at %6d/s: p50 %.1f ms, p99 %.1f ms, longest %.1f ms (%d looked at; the broker had it after p99 %.1f ms)", v.Rate, v.P50, v.P99, v.Max, v.Probes, v.Late)
		if v.Rate == targetVisibleFor {
			fmt.Fprintf(&b, "; target p99 %.0f ms", TargetVisibleMS)
		}
		b.WriteByte('\n')
	}
	counts := make([]int, 0, len(r.Shared))
	for n := range r.Shared {
		if v, err := strconv.Atoi(n); err == nil {
			counts = append(counts, v)
		}
	}
	slices.Sort(counts)
	for _, n := range counts {
		s := r.Shared[strconv.Itoa(n)]
		fmt.Fprintf(&b, "%d ingest process(es) on one topic: %8.0f events/s together (%.0f to %.0f)\n", n, s.Median, s.Min, s.Max)
	}
	return b.String()
}
