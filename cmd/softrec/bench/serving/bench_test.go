package serving

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/softrec/softrec/trainer/model/ranker"
)

// setting reads a whole number from the environment.
func setting(b *testing.B, name string, absent int) int {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return absent
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("%s %q: want a whole number", name, text)
	}
	return n
}

// BenchmarkRank measures the model's part of an answer in the shop: full windows, counts that have seen the log, a network and a fitted
// mixing model of the default shapes. BENCH_ITEMS and BENCH_USERS size the shop.
func BenchmarkRank(b *testing.B) {
	o := DefaultOptions()
	o.Items, o.Users, o.Learn = setting(b, "BENCH_ITEMS", 12_000), setting(b, "BENCH_USERS", 6_000), 300_000
	s := newShop(o, time.Now())
	model, err := s.build(b.Context(), o.Learn)
	if err != nil {
		b.Fatal(err)
	}
	requests := make([]ranker.Request, min(500, o.Users))
	for i := range requests {
		requests[i] = ranker.Request{History: s.window(i * (o.Users / len(requests))), Now: time.Now(), N: 10}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if got := model.Rank(requests[i%len(requests)]); len(got) != 10 {
			b.Fatalf("%d items, want 10", len(got))
		}
		i++
	}
}
