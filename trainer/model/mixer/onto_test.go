package mixer

import "testing"

func TestOnto_keepsTheScores(t *testing.T) {
	cases := task(3, 60)
	m, _ := fit(t, cases, DefaultConfig(), linear(t, 1, 0, 0), 1)
	wide := Layout{Item: []string{"new", "a", "b", "c"}, Context: []string{"u", "more", "v"}}
	got, err := m.Onto(wide)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		n := len(c.Targets)
		var items []float32
		for k := range n {
			items = append(append(items, float32(k)), c.Items[k*3:k*3+3]...)
		}
		want, have := make([]float64, n), make([]float64, n)
		m.Scores(c.Context, c.Items, want)
		got.Scores([]float32{c.Context[0], 7, c.Context[1]}, items, have)
		for k := range want {
			if want[k] != have[k] {
				t.Fatalf("case %d: candidate %d scores %v, was %v", i, k, have[k], want[k])
			}
		}
	}
	if _, err := m.Onto(Layout{Item: []string{"a", "b"}, Context: []string{"u", "v"}}); err == nil {
		t.Error("a column went missing and nobody said so")
	}
}
