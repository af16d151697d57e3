package ranker

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/softrec/softrec/trainer/model/words"
)

func TestTopK_equalsSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		all := make([]entry, rng.IntN(200))
		for i := range all {
			all[i] = entry{item: int32(i), score: float64(rng.IntN(20))}
		}
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		var top topK
		top.reset(rng.IntN(60))
		for _, e := range all {
			if top.wants(e) {
				top.push(e)
			}
		}
		got := top.sorted()
		slices.SortFunc(all, func(a, b entry) int {
			if a.better(b) {
				return -1
			}
			return 1
		})
		if want := all[:min(top.k, len(all))]; !slices.Equal(got, want) {
			t.Fatalf("top %d: %v, want %v", top.k, got, want)
		}
	}
}

func BenchmarkTopK(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	scores := make([]float64, 4000)
	for i := range scores {
		scores[i] = rng.ExpFloat64()
	}
	var top topK
	b.ReportAllocs()
	for b.Loop() {
		top.reset(100)
		for i, s := range scores {
			if e := (entry{item: int32(i), score: s}); top.wants(e) {
				top.push(e)
			}
		}
		top.sorted()
	}
}

// BenchmarkRank is one request for 10 of 4,000 items; in "titles" each item has a title of six words out of 3,000, common ones more often.
func BenchmarkRank(b *testing.B) {
	w := newWorld(1, 500, 4000)
	w.run(40000)
	rng := rand.New(rand.NewPCG(3, 3))
	titles := make([]string, w.v.Len())
	for i := range titles {
		for range 6 {
			titles[i] += fmt.Sprintf(" word%d", int(3000*math.Pow(rng.Float64(), 3)))
		}
	}
	for _, variant := range []struct {
		name    string
		network bool
		words   *words.Table
	}{{"counts", false, nil}, {"titles", false, words.Build(titles)}, {"network", true, nil}} {
		b.Run(variant.name, func(b *testing.B) {
			bundle, err := w.bundle(b, variant.network).WithWords(variant.words)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				bundle.Rank(Request{History: w.windows[i%len(w.windows)], Now: w.now, N: 10})
			}
		})
	}
}
