package ranker

import (
	"testing"

	"github.com/softrec/softrec/schema"
)

// Without its network a bundle still ranks, by counts, and the bundle it came from is what it was.
func TestCountsOnly(t *testing.T) {
	w := newWorld(3, 10, 40)
	w.run(500)
	b := w.bundle(t, true)
	ask := Request{History: w.windows[1], N: 5}
	before := b.Rank(ask)
	c, err := b.CountsOnly()
	if err != nil {
		t.Fatal(err)
	}
	if c.Sequence != nil || c.ReadsText() || c.Vocab != b.Vocab || c.Counts != b.Counts {
		t.Error("the parts are not those of the counts")
	}
	got := c.Rank(ask)
	if len(got) == 0 || len(got) != len(before) {
		t.Errorf("%d items, the whole model has %d", len(got), len(before))
	}
	for _, s := range got {
		if s.Source == schema.SourceModel || s.Source == schema.SourceText {
			t.Errorf("%s comes from %s", s.Item, s.Source)
		}
	}
	for i, s := range b.Rank(ask) {
		if s.Item != before[i].Item || s.Score != before[i].Score {
			t.Errorf("place %d has changed", i)
		}
	}
}
