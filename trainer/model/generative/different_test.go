package generative

import (
	"math"
	"slices"
	"testing"

	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/titles"
)

// TestDistil_asksEqualPromptsOnce: lines of one basket have one history, and each gets the answer it would get alone.
func TestDistil_asksEqualPromptsOnce(t *testing.T) {
	for _, filter := range []bool{false, true} {
		w := newWorld(t, lmtest.Open(t, lmtest.Go), 20, func(c *Config) { c.FilterHistory = titles.LeaveOutIf(filter) })
		data := Data{Table: w.table}
		for i := range 12 { // four lines of each of three baskets; the second and the third show the same items, but know more or less
			p := Prompt{History: []int32{1, 4}, Target: int32(i)}
			switch i % 3 {
			case 1:
				p.History = []int32{2, 5, 8}
			case 2:
				p.History, p.Before = []int32{2, 5, 8}, []int32{11, 14}
			}
			data.Train = append(data.Train, p)
		}
		l, err := w.engine.Learner(nil, data, 1)
		must(t, err)
		pasts := make([][]int32, len(l.train))
		for i := range pasts {
			pasts[i] = l.forbidden(i)
		}
		want := map[bool]int{false: 2, true: 3}[filter]
		if asked, _ := w.engine.different(l.prompts, pasts); len(asked) != want {
			t.Errorf("filter %v: %d prompts are asked: want %d", filter, len(asked), want)
		}
		d, err := l.Distil(background)
		must(t, err)
		if d.Answers != 12 {
			t.Errorf("filter %v: %d of 12 prompts have an answer", filter, d.Answers)
		}
		for i := range l.train {
			alone, err := w.engine.write(background, l.adapter, w.table, l.prompts[i:i+1], pasts[i:i+1])
			must(t, err)
			if !slices.Equal(alone[0].tokens, l.easy[i].tokens) || math.Abs(alone[0].confidence-l.easy[i].confidence) > 1e-5 {
				t.Errorf("filter %v, prompt %d: answer %v: alone it gets %v", filter, i, l.easy[i], alone[0])
			}
		}
		if most := float64(want) / 12; d.Cost <= 0 || d.Cost > most {
			t.Errorf("filter %v: cost %v: want that of %d prompts, at most %v", filter, d.Cost, want, most)
		}
	}
}

// TestLearner_followsTheLog: left to the prompts, answers and validation leave out what a user had where users do not come back to it.
func TestLearner_followsTheLog(t *testing.T) {
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 20, func(c *Config) { c.FilterHistory = DefaultConfig().FilterHistory })
	for _, target := range []int32{3, 1} { // 1 is in the history
		one := []Prompt{{History: []int32{1, 2}, Target: target}}
		l, err := w.engine.Learner(nil, Data{Table: w.table, Train: one, Validation: one}, 1)
		must(t, err)
		leaves := target == 3
		if forbids := l.forbidden(0) != nil; forbids != leaves || l.validation[0].Filter != leaves {
			t.Errorf("target %d after %v: answers forbid %v, validation filters %v", target, one[0].History, l.forbidden(0), l.validation[0].Filter)
		}
	}
}
