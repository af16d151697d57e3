package titles_test

import (
	"testing"

	"github.com/softrec/softrec/trainer/model/titles"
)

// Auto follows the prompts; the other words do not.
func TestLeaveOut(t *testing.T) {
	prompts := func(n, again int) []titles.Prompt {
		out := make([]titles.Prompt, n)
		for i := range out {
			out[i] = titles.Prompt{Before: []int32{1}, History: []int32{2, 3}, Target: 4}
			if i < again {
				out[i].Target = int32(1 + i%3) // shown or not
			}
		}
		return out
	}
	for _, c := range []struct {
		n, again int
		auto     bool
	}{{0, 0, true}, {10, 0, true}, {10, 1, false}, {300, 2, true}, {300, 3, false}, {300, 300, false}} {
		p := prompts(c.n, c.again)
		if got := titles.LeaveOutAuto.In(p); got != c.auto {
			t.Errorf("%d of %d prompts come back: auto leaves out %v, want %v", c.again, c.n, got, c.auto)
		}
		if !titles.LeaveOutAlways.In(p) || titles.LeaveOutNever.In(p) || titles.LeaveOut("").In(p) || !titles.LeaveOutIf(true).In(p) || titles.LeaveOutIf(false).In(p) {
			t.Error("true and false hang on the prompts")
		}
	}
	for _, l := range []titles.LeaveOut{titles.LeaveOutAuto, titles.LeaveOutAlways, titles.LeaveOutNever, ""} {
		if err := l.Validate(); err != nil {
			t.Error(err)
		}
	}
	if titles.LeaveOut("yes").Validate() == nil {
		t.Error(`"yes" is accepted`)
	}
}
