package evaluation

import (
	"bytes"
	"encoding/csv"
	"strconv"
)

// models is models.csv: a row per model and group.
func models(r *Result) []byte {
	rows := [][]string{{"model", "group", "events", "hr10", "ndcg10", "mrr10", "coverage", "popularity_bias", "short_lists", "empty_lists", "age_events", "seconds", "latency_p50_ms", "latency_p99_ms"}}
	for _, name := range r.Order() {
		m := r.Models[name]
		for _, g := range Groups() {
			row := append([]string{name, string(g)}, cells(m.Of(g))...)
			if g == All {
				for _, v := range []float64{m.Coverage, m.PopularityBias, m.ShortLists, m.EmptyLists, m.AgeEvents, m.Seconds, m.LatencyP50, m.LatencyP99} {
					row = append(row, number(v))
				}
			}
			for len(row) < len(rows[0]) {
				row = append(row, "")
			}
			rows = append(rows, row)
		}
	}
	return write(rows)
}

// windows is windows.csv: a row per model and stretch.
func windows(r *Result) []byte {
	rows := [][]string{{"model", "from", "events", "hr10", "ndcg10", "mrr10"}}
	for _, name := range r.Order() {
		for _, w := range r.Models[name].Windows {
			rows = append(rows, append([]string{name, strconv.Itoa(w.From)}, cells(w.Scores)...))
		}
	}
	return write(rows)
}

func cells(s Scores) []string {
	return []string{strconv.Itoa(s.Events), number(s.HR10), number(s.NDCG10), number(s.MRR10)}
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }

func write(rows [][]string) []byte {
	var b bytes.Buffer
	_ = csv.NewWriter(&b).WriteAll(rows) // a buffer takes everything
	return b.Bytes()
}
