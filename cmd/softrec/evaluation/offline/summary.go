package offline

import (
	"fmt"
	"strings"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// Summary is what the command prints: the figures of every model and the comparisons.
func Summary(r *evaluation.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d cases, leave-last-out (leaks along the global clock)\n\n%-24s %8s %8s %8s %9s %9s\n", r.Events, "model", "HR@10", "NDCG@10", "MRR@10", "coverage", "seconds")
	for _, name := range r.Order() {
		m := r.Models[name]
		fmt.Fprintf(&b, "%-24s %8.4f %8.4f %8.4f %9.3f %9.0f\n", name, m.HR10, m.NDCG10, m.MRR10, m.Coverage, m.Seconds)
	}
	for _, c := range r.Comparisons {
		fmt.Fprintf(&b, "\n%s over %s: HR@10 %+.1f %%, NDCG@10 %+.1f %% (95 %% interval of the difference %+.4f to %+.4f)", c.New, c.Old, 100*c.HR10.Gain, 100*c.NDCG10.Gain, c.NDCG10.Low, c.NDCG10.High)
	}
	return b.String() + "\n"
}
