package evaluation

import (
	"cmp"
	"fmt"
)

// title is the headline of both reports.
func title(r *Result) string {
	return cmp.Or(map[string]string{"stream": "Streaming evaluation", "offline": "Offline evaluation"}[r.Protocol], r.Protocol)
}

// lead is the sentence below it.
func lead(r *Result) string {
	d := r.Data
	s := fmt.Sprintf("%s: %d lines of %d users and %d items, %d scored", d.Interactions, d.Lines, d.Users, d.Items, r.Events)
	if d.Questions > 0 {
		s += fmt.Sprintf(" in %d questions", d.Questions)
	}
	if d.Warmup > 0 {
		s += fmt.Sprintf(" after a warm-up of %.0f %%", 100*d.Warmup)
	}
	if r.Mode != "" {
		s += ", " + r.Mode + " mode"
	}
	if r.Learner != "" {
		s += ", learner " + r.Learner
	}
	if r.Language != "" {
		s += ", language model " + r.Language
	}
	if d.FilterSeen {
		s += ", what a user had is left out"
	} else {
		s += ", nothing is left out"
	}
	s += fmt.Sprintf(". Targets never seen before: %.2f %%.", 100*d.UnseenShare)
	if d.Oracle > 0 {
		s += fmt.Sprintf(" An oracle reaches HR@10 %.4f.", d.Oracle)
	}
	return s
}

// groupTitle names a group with its share of the cases.
func groupTitle(r *Result, g Group) string {
	name := map[Group]string{All: "all", FirstTime: "first-time pairs", Repeat: "repeats", NewUsers: "new users", ColdItems: "cold items"}[g]
	order := r.Order()
	if g == All || len(order) == 0 || r.Events == 0 {
		return name
	}
	return fmt.Sprintf("%s (%.0f %%)", name, 100*float64(r.Models[order[0]].Of(g).Events)/float64(r.Events))
}

// pair is HR and NDCG of scores, a dash where there are no cases.
func pair(s Scores) string {
	if s.Events == 0 {
		return "-"
	}
	return fmt.Sprintf("%.4f / %.4f", s.HR10, s.NDCG10)
}

// difference is a value with its interval and a star where it leaves out 0.
func difference(d Difference) string {
	star := ""
	if d.Significant() {
		star = "*"
	}
	return fmt.Sprintf("%+.4f%s [%+.4f, %+.4f]", d.Value, star, d.Low, d.High)
}

func probability(p float64) string {
	if p < 0.0001 {
		return "< 0.0001"
	}
	return fmt.Sprintf("%.4f", p)
}

// Summary is the figures in a few lines, for a terminal.
func (r *Result) Summary() string {
	s := fmt.Sprintf("%s\n%-20s %8s %8s %8s\n", lead(r), "model", "HR@10", "NDCG@10", "MRR@10")
	for _, name := range r.Order() {
		m := r.Models[name]
		s += fmt.Sprintf("%-20s %8.4f %8.4f %8.4f\n", name, m.HR10, m.NDCG10, m.MRR10)
	}
	return s
}
