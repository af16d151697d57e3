package retrieval

import (
	"math"
	"slices"
	"testing"

	"github.com/softrec/softrec/trainer/model/lm/lmtest"
)

// TestRanks_matchAScanOfTheTable with and without the history, for several targets and for the base model.
func TestRanks_matchAScanOfTheTable(t *testing.T) {
	cfg := smallConfig()
	cfg.ItemAdapter = true
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, cfg)
	table := newTable(t, e)
	l := moved(t, e, table)
	enc, head := Split(l.adapter)
	for _, filter := range []bool{true, false} {
		var qs []Question
		for _, p := range walks(20, 9) {
			qs = append(qs, Question{History: p.History, Targets: []int32{p.Target, 7, items - 1, p.History[0]}, Filter: filter})
		}
		got, err := e.RanksOf(background, l.adapter, table, qs)
		if err != nil {
			t.Fatal(err)
		}
		for i, q := range qs {
			v, err := e.enc.Encode(background, enc, [][]int32{e.Text(table, q.History)})
			if err != nil {
				t.Fatal(err)
			}
			for k, target := range q.Targets {
				want := scan(table, Project(head, v[0]), q, target)
				if got[i][k] != want && !near(table, Project(head, v[0]), target) {
					t.Errorf("question %d, target %d, filter %v: rank %v, want %v", i, target, filter, got[i][k], want)
				}
			}
		}
	}
}

func score(table *Table, q []float32, item int) (s float64) {
	for j, v := range table.Vector(item) {
		s += float64(v) * float64(q[j])
	}
	return s
}

func scan(table *Table, q []float32, question Question, target int32) float64 {
	left := func(i int) bool {
		return !table.titled[i] || question.Filter && slices.Contains(question.History, int32(i))
	}
	if left(int(target)) {
		return math.Inf(1)
	}
	rank := 1.0
	for i := range table.items {
		if !left(i) && score(table, q, i) > score(table, q, int(target)) {
			rank++
		}
	}
	return rank
}

// near reports a target whose score another item nearly has: rounding may swap them.
func near(table *Table, q []float32, target int32) bool {
	for i := range table.items {
		if i != int(target) && math.Abs(score(table, q, i)-score(table, q, int(target))) < 1e-5 {
			return true
		}
	}
	return false
}

func TestRanks_freshAdapterIsTheBaseModel(t *testing.T) {
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, smallConfig())
	table := newTable(t, e)
	a, err := e.Adapter(1)
	if err != nil {
		t.Fatal(err)
	}
	prompts := walks(150, 3) // more than one batch of queries
	base, err := e.Ranks(background, nil, table, prompts)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := e.Ranks(background, a, table, prompts)
	if err != nil {
		t.Fatal(err)
	}
	differ := 0
	for i := range base {
		if base[i] != fresh[i] {
			differ++
		}
	}
	if differ > 2 {
		t.Errorf("%d of %d ranks differ", differ, len(base))
	}
	if _, err := e.Ranks(background, nil, table, []Prompt{{History: []int32{items}}}); err == nil {
		t.Error("an unknown row was ranked")
	}
}

func TestTable_refuses(t *testing.T) {
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, smallConfig())
	if _, err := e.Table(background, [][]int32{nil, nil}); err == nil {
		t.Error("a catalogue without titles was taken")
	}
	if _, err := e.TableOf([][]int32{{5}}, [][]float32{{1, 2}}); err == nil {
		t.Error("a vector of another width was taken")
	}
	if _, err := e.TableOf(nil, nil); err == nil {
		t.Error("an empty catalogue was taken")
	}
}
