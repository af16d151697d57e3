package mixer

import (
	"math/rand/v2"
	"testing"
)

// request is one of the size a real log has.
func request(n int) (Layout, Case, *rand.Rand) {
	rng := rand.New(rand.NewPCG(5, 1))
	l := wideLayout(70, 12)
	return l, randomCase(rng, l, n, 0.55), rng
}

func BenchmarkScores(b *testing.B) {
	l, c, rng := request(400)
	for name, h := range map[string][2]int{"16": {16, 0}, "48-24": {48, 24}} {
		m := randomModel(rng, l, h[0], h[1])
		mix, err := build(l, m.scale, m.w)
		if err != nil {
			b.Fatal(err)
		}
		out := make([]float64, len(c.Targets))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mix.Scores(c.Context, c.Items, out)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(out)), "ns/candidate")
		})
	}
}

func BenchmarkStep(b *testing.B) {
	l, c, rng := request(120)
	for name, workers := range map[string]int{"one worker": 1, "two workers": 2} {
		t := newTrainer(randomModel(rng, l, 48, 24), workers, 0.001)
		p := pack(c)
		var rooms [2]room
		from := func(lane, _ int) Case { return rooms[lane].open(p) }
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				t.step(32, from, everyLine, 32, 0, nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*32*120), "ns/candidate")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	_, c, _ := request(120)
	p := pack(c)
	var r room
	for b.Loop() {
		r.open(p)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*120), "ns/candidate")
}

// BenchmarkOnline is one basket with 260 candidates, its share of the steps included.
func BenchmarkOnline(b *testing.B) {
	l, c, _ := request(260)
	start, err := Linear(l, make([]float64, len(l.Item)))
	if err != nil {
		b.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Workers, cfg.Online.Warm = 1, 32
	o, err := NewOnline(cfg, start, 1)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := o.Learn(c); err != nil {
			b.Fatal(err)
		}
	}
}
