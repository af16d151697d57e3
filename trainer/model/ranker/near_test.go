package ranker

import (
	"slices"
	"testing"

	"github.com/softrec/softrec/trainer/model/nearest"
)

// An index that looks everywhere changes no answer; one that looks at a part changes few, and every answer is still full, allowed and sorted.
func TestRank_withAnIndex(t *testing.T) {
	w := newWorld(21, 40, 600)
	w.run(4000)
	exact := w.bundle(t, true)
	for _, wanted := range []float64{1, 0.9} {
		x, err := nearest.Build(exact.Sequence.Items(), exact.Sequence.Config().Dim, wanted, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		if wanted < 1 && x.Probes() == x.Lists() {
			t.Fatalf("an index of recall %v looks into all %d lists", x.Recall(), x.Lists())
		}
		indexed := *exact
		indexed.index = x
		same, all := 0, 0
		for _, req := range w.requests(150) {
			req.Explain = false
			want, got := exact.Rank(req), indexed.Rank(req)
			if len(want) != len(got) {
				t.Fatalf("%d items with an index, %d without", len(got), len(want))
			}
			have := map[string]bool{}
			for i, s := range got {
				if have[s.Item] || req.Allow != nil && !req.Allow(s.Item) || i > 0 && s.Score > got[i-1].Score {
					t.Fatalf("place %d: %+v", i, s)
				}
				have[s.Item] = true
			}
			for _, s := range want[:min(10, len(want))] {
				all++
				if slices.ContainsFunc(got[:min(10, len(got))], func(g Scored) bool { return g.Item == s.Item }) {
					same++
				}
			}
		}
		if share, least := float64(same)/float64(all), map[bool]float64{true: 0.999, false: 0.97}[x.Probes() == x.Lists()]; share < least {
			t.Errorf("recall %v, %d of %d lists: %.3f of the first ten are the same, want %v", x.Recall(), x.Probes(), x.Lists(), share, least)
		}
		for i := range int32(30) {
			id := exact.Vocab.ID(1 + i)
			a, b := exact.Similar(id, 10, nil), indexed.Similar(id, 10, nil)
			if len(a) != len(b) {
				t.Fatalf("like %s: %d items with an index, %d without", id, len(b), len(a))
			}
			if x.Probes() == x.Lists() && a[0].Item != b[0].Item {
				t.Errorf("like %s: first %s with an index, %s without", id, b[0].Item, a[0].Item)
			}
		}
	}
}
