package evaluation

import (
	"fmt"
	"strings"
)

// markdown is report.md.
func markdown(r *Result) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# %s\n", title(r))
	line("%s\n", lead(r))
	line("HR@10 / NDCG@10:\n")
	head := "| model |"
	for _, g := range Groups() {
		head += " " + groupTitle(r, g) + " |"
	}
	line("%s MRR@10 | coverage | popularity bias | seconds | p50 / p99 ms |", head)
	line("|%s", strings.Repeat(" --- |", 6+len(Groups())))
	for _, name := range r.Order() {
		m := r.Models[name]
		row := "| " + name + " |"
		for _, g := range Groups() {
			row += " " + pair(m.Of(g)) + " |"
		}
		line("%s %.4f | %.3f | %.2f | %.1f | %.3f / %.3f |", row, m.MRR10, m.Coverage, m.PopularityBias, m.Seconds, m.LatencyP50, m.LatencyP99)
	}
	compared(line, r)
	seeds(line, r)
	line("\n## Notes\n")
	for _, n := range r.Notes {
		line("- %s", n)
	}
	return b.String()
}

func compared(line func(string, ...any), r *Result) {
	if len(r.Comparisons) == 0 {
		return
	}
	line("\n## Paired comparisons\n")
	line("| new | old | cases | HR@10 difference | relative | NDCG@10 difference | relative | only new / only old hits | McNemar p |")
	line("|%s", strings.Repeat(" --- |", 9))
	for _, c := range r.Comparisons {
		line("| %s | %s | %s | %s | %+.1f %% | %s | %+.1f %% | %d / %d | %s |", c.New, c.Old, c.Group, difference(c.HR10), 100*c.HR10.Gain,
			difference(c.NDCG10), 100*c.NDCG10.Gain, c.Wins, c.Losses, probability(c.McNemar))
	}
	line("\nIntervals are 95 %%, by a bootstrap over users; * leaves out 0. McNemar's test takes cases as independent, which lines of one basket are not: trust the interval.")
}

func seeds(line func(string, ...any), r *Result) {
	first := true
	for _, name := range r.Order() {
		list := r.Models[name].Seeds
		if len(list) < 2 {
			continue
		}
		if first {
			line("\n## Seeds\n\n| model | HR@10 / NDCG@10 by seed |\n| --- | --- |")
			first = false
		}
		var each []string
		for _, s := range list {
			each = append(each, pair(s.Scores))
		}
		line("| %s | %s |", name, strings.Join(each, ", "))
	}
}
