package arms

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Summary is the report as text.
func (r Report) Summary() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%d answers, %d of them with a reward; %d interactions read.\n", r.Answers, r.Rewarded, r.Outcomes)
	if r.Sampled < 1 {
		_, _ = fmt.Fprintf(&b, "A sample of %.3g %% of the answers: there were more than --most.\n", 100*r.Sampled)
	}
	if r.Whole != "" {
		_, _ = fmt.Fprintf(&b, "The files were read as a whole: %s.\n", r.Whole)
	}
	b.WriteString("\nShown lists, intervals of 95 % with users as units:\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0) // a Builder never fails
	_, _ = fmt.Fprintln(w, "arm\tmodel\tanswers\trewarded answers\trewards per place")
	for _, s := range r.Shown {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", s.Arm, orNone(s.ModelVersion), s.Answers, s.Rewarded.percent(), s.PerPlace.percent())
	}
	_ = w.Flush()
	if len(r.Shadows) == 0 {
		b.WriteString("\nNo shadow lists: nothing to estimate for arms that nobody saw.\n")
		return b.String()
	}
	b.WriteString("\nShadows, rewards per place that their lists would have brought:\n")
	w = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "arm\tanswers\tplaces\tmatched\teffective\tIPS\tSNIPS\tlogged there")
	for _, e := range r.Shadows {
		if e.Refused != "" {
			_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\trefused\t\t\t\n", e.Arm, e.Answers, e.Places, e.Matched)
			continue
		}
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.0f\t%s\t%s\t%s\n", e.Arm, e.Answers, e.Places, e.Matched, e.Effective, e.IPS.percent(), e.SNIPS.percent(), e.Logged.percent())
	}
	_ = w.Flush()
	for _, e := range r.Shadows {
		if e.Refused != "" {
			_, _ = fmt.Fprintf(&b, "%s: refused: %s\n", e.Arm, e.Refused)
		}
		for _, text := range e.Warnings {
			_, _ = fmt.Fprintf(&b, "%s: %s\n", e.Arm, text)
		}
	}
	return b.String()
}

func (i Interval) percent() string {
	return fmt.Sprintf("%.2f %% (%.2f to %.2f)", 100*i.Value, 100*i.Low, 100*i.High)
}

func orNone(version string) string {
	if version == "" {
		return "none"
	}
	return version
}
