package textlive

import (
	"testing"

	"github.com/softrec/softrec/trainer/model/ranker"
)

// What a decoder found says which items it names, so that a withdrawn one takes it along.
func TestFound_namesItsItems(t *testing.T) {
	var reading ranker.Reading = found{"mug": {}, "lamp": {}}
	for item, want := range map[string]bool{"mug": true, "lamp": true, "clock": false} {
		if got := reading.(ranker.Naming).Names(func(id string) bool { return id == item }); got != want {
			t.Errorf("names %s: %v, want %v", item, got, want)
		}
	}
}
