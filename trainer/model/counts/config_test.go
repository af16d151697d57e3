package counts

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestConfig_Validate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{HalfLife: time.Second, MaxSuccessors: -4}.Validate()
	for _, want := range []string{"counts.half_life 1s", "counts.max_successors -4"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %q", err, want)
		}
	}
	if got := NewCounts(Config{}).Config(); got != DefaultConfig() {
		t.Errorf("NewCounts with a zero config uses %+v", got)
	}
}

func Example() {
	c := NewCounts(DefaultConfig())
	day := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	c.Update(Observation{Item: 1, Time: day})
	c.Update(Observation{History: []int32{1}, Item: 2, Time: day.Add(time.Hour)})
	next := make([]float32, c.Len())
	c.Transitions([]int32{1}, next)
	fmt.Printf("after item 1: item 2 scores %.3f\n", next[2])
	// Output: after item 1: item 2 scores 0.167
}
