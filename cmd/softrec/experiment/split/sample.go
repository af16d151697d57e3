package split

import "github.com/softrec/softrec/trainer/soft"

// Lines takes questions apart: one for each target.
func Lines(qs []Question) []Question {
	out := make([]Question, 0, len(qs))
	for _, q := range qs {
		for i := range q.Targets {
			one := q
			one.Targets = q.Targets[i : i+1 : i+1]
			out = append(out, one)
		}
	}
	return out
}

// Sample draws n distinct questions from seed and keeps their order; 0 or at least as many as there are keeps all.
func Sample(qs []Question, n int, seed uint64) []Question {
	if n <= 0 || n >= len(qs) {
		return qs
	}
	out := make([]Question, 0, n)
	for _, i := range soft.Probe(len(qs), n, seed) {
		out = append(out, qs[i])
	}
	return out
}
