package bench

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Table shows a result to people.
func Table(r Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "One training step of the sequence model: %d threads, %d rounds by turns, load before %s, after %s.\n", r.Threads, r.Rounds, r.LoadBefore, r.LoadAfter)
	for _, c := range r.Contestants {
		fmt.Fprintf(&b, "  %-12s %s\n", c.Name, c.About)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  %s\n", n)
	}
	for _, l := range r.Lines {
		l.table(&b, r.Contestants)
	}
	return b.String()
}

func (l Line) table(b *strings.Builder, field []Contestant) {
	fmt.Fprintf(b, "\n%s\n", l.About)
	if len(field) > 1 {
		fmt.Fprintf(b, "%d weights; losses of the contestants %.1g apart at the first step, %.1g within %d\n", l.Params[field[0].Name], l.Apart, l.Drift, lossSteps)
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tms a step\tquartiles\tsequences/s\tspeed to PyTorch\tquartiles\tends")
	for _, c := range field {
		s := l.Step[c.Name]
		fmt.Fprintf(w, "%s\t%.1f\t%.1f to %.1f\t%.1f", c.Name, s.Median, s.Low, s.High, l.Examples[c.Name])
		if r, ok := l.Ratio[c.Name]; ok {
			fmt.Fprintf(w, "\t%.2f\t%.2f to %.2f\t%.2f to %.2f", r.Median, r.Low, r.High, r.Min, r.Max)
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // a strings.Builder takes everything
}
