package titles_test

import (
	"slices"
	"testing"

	"github.com/softrec/softrec/trainer/model/titles"
)

// Prompts are asked by what they show; their past is all there was, and making it changes neither part.
func TestPrompt_pastAndQuestions(t *testing.T) {
	whole := []int32{1, 2, 3, 4}
	p := titles.Prompt{Before: whole[:2], History: whole[2:3], Target: 9}
	if got := p.Past(); !slices.Equal(got, []int32{1, 2, 3}) || whole[3] != 4 {
		t.Errorf("past %v, and behind it %d", got, whole[3])
	}
	if got := (titles.Prompt{History: whole}).Past(); !slices.Equal(got, whole) {
		t.Errorf("past %v", got)
	}
	asked := titles.Questions([]titles.Prompt{p, {Target: 5}}, true)
	if len(asked) != 2 || !slices.Equal(asked[0].History, p.History) || asked[1].Targets[0] != 5 || !asked[1].Filter {
		t.Errorf("questions %+v", asked)
	}
	if got := titles.First([][]float64{{2}, {7}}); !slices.Equal(got, []float64{2, 7}) {
		t.Errorf("ranks %v", got)
	}
	if got := titles.First(nil); len(got) != 0 {
		t.Errorf("ranks of nothing: %v", got)
	}
}
