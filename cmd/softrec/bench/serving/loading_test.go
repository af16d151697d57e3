package serving

import (
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/snapshot"
)

// BenchmarkLoad measures what it takes to read the shop's model, from the files of a snapshot to a model that answers. BENCH_ITEMS,
// BENCH_USERS and BENCH_LEARN size the shop. Making it takes a minute or more.
func BenchmarkLoad(b *testing.B) {
	o := DefaultOptions()
	o.Items, o.Users, o.Learn = setting(b, "BENCH_ITEMS", 12_000), setting(b, "BENCH_USERS", 100_000), setting(b, "BENCH_LEARN", 200_000)
	model, err := newShop(o, time.Now()).build(b.Context(), o.Learn)
	if err != nil {
		b.Fatal(err)
	}
	files, err := model.Encode()
	if err != nil {
		b.Fatal(err)
	}
	dir, err := snapshot.OpenDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	m, err := dir.Write(b.Context(), schema.Manifest{Round: 1, Learner: "sequence", CreatedAt: time.Now(), Backend: "bench", Offsets: map[string]int64{}}, files)
	if err != nil {
		b.Fatal(err)
	}
	model, files = nil, nil // the collector shall not follow them
	bytes := int64(0)
	for _, f := range m.Files {
		bytes += f.Bytes
	}
	b.SetBytes(bytes)
	b.ReportAllocs()
	for b.Loop() {
		_, files, err := dir.Read(b.Context(), m.Version)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ranker.Decode(files); err != nil {
			b.Fatal(err)
		}
	}
}
