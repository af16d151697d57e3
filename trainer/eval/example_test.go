package eval_test

import (
	"fmt"

	"github.com/softrec/softrec/trainer/eval"
)

// Three cases of a model: the target's rank among the scores, and the metrics over them.
func ExampleTally() {
	t := eval.NewTally(10)
	t.Add(eval.Rank([]float64{0.1, 0.9, 0.3}, 1))
	t.Add(eval.Rank([]float64{0.5, 0.5, 0.1}, 0)) // ties take the middle
	t.Add(eval.RankIn([]string{"a", "b"}, "not in the list"))
	m := t.Metrics()
	fmt.Printf("%d cases: HR@10 %.3f, NDCG@10 %.3f, MRR@10 %.3f\n", m.Count, m.HR, m.NDCG, m.MRR)
	// Output: 3 cases: HR@10 0.667, NDCG@10 0.585, MRR@10 0.556
}
