package textlive

import (
	"testing"

	"github.com/softrec/softrec/trainer/model/ranker"
)

// What is found among titles is all there is as long as the titles: a new price makes no reading anew.
func TestAmong_changesWithTheTitlesAlone(t *testing.T) {
	shop := &shelf{}
	shop.put("a", "blue mug")
	shop.put("b", "red mug")
	r := newBeamRuntime(t, shop)
	sync1(t, r)
	for _, step := range []struct {
		what, id, title string
		holds           bool
	}{
		{"a new price", "a", "blue mug", true},
		{"an item without a title", "c", " ", true},
		{"another title", "a", "green mug", false},
		{"a new item", "d", "blue mug", false},
		{"a withdrawn item", "b", "", false},
	} {
		before := r.Among()
		shop.put(step.id, step.title)
		sync1(t, r)
		if holds := r.Among() == before; holds != step.holds {
			t.Errorf("%s: readings hold %v, want %v", step.what, holds, step.holds)
		}
	}
}

// What a decoder found says which items it names, so that a withdrawn one takes it along.
func TestFound_namesItsItems(t *testing.T) {
	var reading ranker.Reading = found{"mug": {}, "lamp": {}}
	for item, want := range map[string]bool{"mug": true, "lamp": true, "clock": false} {
		if got := reading.(ranker.Naming).Names(func(id string) bool { return id == item }); got != want {
			t.Errorf("names %s: %v, want %v", item, got, want)
		}
	}
}
