package serving

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// Result is what a run found.
type Result struct {
	Items        int     `json:"items"`
	Users        int     `json:"users"`
	Connections  int     `json:"connections"`
	Cores        int     `json:"cores"` // shared by load, server, Redis and Kafka
	Seconds      float64 `json:"seconds"`
	Go           string  `json:"go"`
	Redis        string  `json:"redis"` // "embedded" or an address
	ReferenceRPS float64 `json:"reference_rps"`
	CompareRPS   float64 `json:"compare_rps,omitempty"`
	Share        float64 `json:"unchanged_share"` // of reference_rps
	Reference    Load    `json:"reference"`
	Compare      *Load   `json:"compare,omitempty"`
	Unchanged    Load    `json:"unchanged"`
	Changed      Load    `json:"changed"`
	Click        Click   `json:"click_to_answer_ms"`
	Swaps        *Swaps  `json:"swaps,omitempty"`

	ClickUnderLoad *ClickUnderLoad     `json:"click_under_load_ms,omitempty"`
	With           map[string]Extra    `json:"with,omitempty"`     // by what the second server did
	Overload       map[string]Overload `json:"overload,omitempty"` // of unchanged and of freshly computed answers
	Vitals         []Vitals            `json:"server"`
	LoadBefore     string              `json:"load_before"` // others' work on the machine
	LoadAfter      string              `json:"load_after"`
}

// sum fills in what follows from the rest.
func (r *Result) sum() {
	if r.ReferenceRPS > 0 {
		r.Share = r.Unchanged.RPS / r.ReferenceRPS
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

// Table shows a result to people.
func Table(r Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d items, %d users with full windows, %d connections; load, server, Redis (%s) and Kafka are processes of their own on %d cores; load average before %s, after %s.\n",
		r.Items, r.Users, r.Connections, r.Redis, r.Cores, r.LoadBefore, r.LoadAfter)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tanswers/s\tof the plain handler\tat a fixed rate of\tp50 ms\tp99 ms\tp99.9 ms\tfailed")
	line := func(name string, l Load) {
		share := "-"
		if r.ReferenceRPS > 0 {
			share = fmt.Sprintf("%.2f", l.RPS/r.ReferenceRPS)
		}
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%.0f/s\t%.2f\t%.2f\t%.2f\t%d\n", name, l.RPS, share, l.Rate, l.P50, l.P99, l.P999, l.Failed)
	}
	if r.Reference.Requests > 0 {
		line("plain handler, one GET", r.Reference)
	}
	if r.Compare != nil {
		line("compared", *r.Compare)
	}
	if r.Unchanged.Requests > 0 {
		line("softrec, window unchanged", r.Unchanged)
	}
	line("softrec, window changed before each", r.Changed)
	_ = w.Flush() // a strings.Builder takes everything
	if r.Click.Clicks > 0 {
		fmt.Fprintf(&b, "click to changed answer (POST, Kafka, ingest, window, answer; %d clicks): p50 %.1f ms, p99 %.1f ms\n", r.Click.Clicks, r.Click.P50, r.Click.P99)
	}
	if c := r.ClickUnderLoad; c != nil {
		fmt.Fprintf(&b, "the same while answers for changed windows were asked for at %.0f/s (%d clicks): p50 %.1f ms, p99 %.1f ms; the load's own p99 %.1f ms, failed %d of %d\n",
			c.Load.Rate, c.Clicks, c.P50, c.P99, c.Load.P99, c.Load.Failed, c.Load.Requests)
	}
	for _, name := range slices.Sorted(maps.Keys(r.With)) {
		for _, p := range []struct {
			load string
			Pair
		}{{"unchanged", r.With[name].Unchanged}, {"changed", r.With[name].Changed}} {
			if p.With.Requests == 0 {
				continue
			}
			fmt.Fprintf(&b, "with %s, %s: %.0f/s and %.0f without, %.2f times; at %.0f/s p99 %.2f ms and %.2f, %.2f times; failed %d of %d, without %d of %d\n", name, p.load,
				p.With.RPS, p.Without.RPS, p.RPSRatio, p.With.Rate, p.With.P99, p.Without.P99, p.P99Ratio, p.With.Failed, p.With.Requests, p.Without.Failed, p.Without.Requests)
		}
	}
	if s := r.Swaps; s != nil {
		fmt.Fprintf(&b, "%d model swaps at %.0f/s: p99 %.2f ms (%.2f in the worst turn), %.2f ms without, ratio %.2f, failed %d of %d, %.1f s a swap\n",
			s.Swaps, s.During.Rate, s.During.P99, s.Worst, s.Without.P99, s.Ratio, s.During.Failed, s.During.Requests, s.Seconds)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Overload)) {
		o := r.Overload[name]
		fmt.Fprintf(&b, "overload, %s: %.0f/s due, %.1f times the peak, %.0f/s sent; answered %.0f/s, %.2f of the peak, p50 %.2f ms, p99 %.2f ms; refused %.0f/s, p99 %.2f ms; %.0f us of CPU for each of both; failed %d; at half the peak afterwards %.4f refused or failed\n",
			name, o.Rate, o.Factor, o.Sent, o.Goodput, o.Share, o.P50, o.P99, o.Shed, o.ShedP99, o.CPU, o.Failed, o.Recovers)
	}
	for _, v := range r.Vitals {
		fmt.Fprintf(&b, "server, %s: %.0f us of CPU, %.0f allocations and %.0f bytes a request; heap %.0f MB, resident %.0f MB\n", v.Load, v.CPU, v.Allocations, v.Bytes, v.HeapMB, v.ResidentMB)
	}
	for name, l := range map[string]Load{"plain handler": r.Reference, "unchanged": r.Unchanged, "changed": r.Changed} {
		if l.Fault != "" {
			fmt.Fprintf(&b, "first fault, %s: %s\n", name, l.Fault)
		}
	}
	return b.String()
}
