package ranker

import (
	"math"
	"testing"
	"time"
)

// Whatever the server's clock says, hours or years off, a list is whole and its scores are numbers: models only fade by it.
func TestRank_anyClock(t *testing.T) {
	w := newWorld(7, 20, 200)
	w.run(2000)
	b := w.bundle(t, true)
	for _, off := range []time.Duration{-6 * time.Hour, 6 * time.Hour, -30 * 24 * time.Hour, 365 * 24 * time.Hour, -80 * 365 * 24 * time.Hour, 80 * 365 * 24 * time.Hour} {
		for i, r := range w.requests(40) {
			want := len(b.Rank(r))
			r.Now = r.Now.Add(off)
			got := b.Rank(r)
			if len(got) != want {
				t.Fatalf("%s off: request %d: %d items, want %d", off, i, len(got), want)
			}
			seen := map[string]bool{}
			for _, s := range got {
				if seen[s.Item] || math.IsNaN(float64(s.Score)) || math.IsInf(float64(s.Score), 0) {
					t.Fatalf("%s off: request %d: %+v", off, i, s)
				}
				seen[s.Item] = true
			}
		}
	}
}
