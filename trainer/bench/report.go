package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// result is what a run found.
type result struct {
	Contestants []contestant `json:"contestants"`
	Threads     int          `json:"threads"`
	Rounds      int          `json:"rounds"`
	Load        string       `json:"load_before"` // others' work: before the first process of the run was started
	LoadAfter   string       `json:"load_after"`  // with the run's own
	Lines       []line       `json:"lines"`
}

type contestant struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// line is one work: by contestant the median of each turn, in milliseconds.
type line struct {
	Work  string               `json:"work"`
	Kind  string               `json:"kind"`
	Batch int                  `json:"batch"`
	MS    map[string][]float64 `json:"ms"`
}

// ratio is the median over rounds of one's time over that of PyTorch in the same precision and round: below 1 is faster than PyTorch.
func (l line) ratio(name string) (float64, bool) {
	_, dtype, _ := strings.Cut(name, "-")
	own, reference := l.MS[name], l.MS["torch-"+dtype]
	if len(own) == 0 || len(own) != len(reference) {
		return 0, false
	}
	pairs := make([]float64, len(own))
	for i := range own {
		pairs[i] = own[i] / reference[i]
	}
	return median(pairs), true
}

// cell is a contestant's column: milliseconds, texts per second and the ratio to PyTorch.
func (l line) cell(name string) string {
	if len(l.MS[name]) == 0 {
		return "-"
	}
	ms := median(l.MS[name])
	s := fmt.Sprintf("%.1f ms", ms)
	if l.Kind == kindEncode {
		s += fmt.Sprintf(", %.0f/s", 1000*float64(l.Batch)/ms)
	}
	if r, ok := l.ratio(name); ok && !strings.HasPrefix(name, "torch-") {
		s += fmt.Sprintf(" (%.2f)", r)
	}
	return s
}

// table prints one row per work. In brackets: time over PyTorch's.
func (r result) table(out io.Writer) {
	fmt.Fprintf(out, "\n%d threads, %d rounds, medians; in brackets: time / PyTorch's time in the same precision, median over rounds.\n", r.Threads, r.Rounds)
	fmt.Fprintf(out, "load before %s, after %s\n\n", r.Load, r.LoadAfter)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "work")
	for _, c := range r.Contestants {
		fmt.Fprintf(w, "\t%s", c.Name)
	}
	for _, l := range r.Lines {
		fmt.Fprintf(w, "\n%s", l.Work)
		for _, c := range r.Contestants {
			fmt.Fprintf(w, "\t%s", l.cell(c.Name))
		}
	}
	fmt.Fprintln(w)
	_ = w.Flush() // a table that cannot be shown is not worth more than that
}

// write stores the result as JSON, if a path is given.
func (r result) write(path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// median of a non-empty list.
func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}
