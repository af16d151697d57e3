package serve

import (
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/vocab"
	"github.com/softrec/softrec/trainer/snapshot"
)

// pairs is a bundle that has seen users go from item 2k to item 2k+1.
func pairs(t *testing.T, items []string) *ranker.Bundle {
	t.Helper()
	v, c := vocab.New(), counts.NewCounts(counts.DefaultConfig())
	for _, id := range items {
		v.Add(id)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	at := testStart.Add(-time.Hour)
	for range 400 {
		at = at.Add(time.Second)
		k := int32(2 * rng.IntN(len(items)/2))
		c.Update(counts.Observation{Item: k + 1, Time: at})
		c.Update(counts.Observation{History: []int32{k + 1}, Item: k + 2, Time: at.Add(time.Millisecond)})
	}
	b, err := ranker.New(v, c, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBundle_publishedModelIsServed takes the road of a model: encoded, written to a folder, pointed at, loaded, asked.
func TestBundle_publishedModelIsServed(t *testing.T) {
	dir, err := snapshot.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var registry *snapshot.Registry
	st := newStack(t, func(_ *Config, d *Deps) {
		registry = snapshot.NewRegistry(d.Redis, d.Keys)
		d.Decode, d.Snapshots, d.Registry = nil, dir, registry
	}).stock(20).refresh()

	bundle := pairs(t, names(20))
	files, err := bundle.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m, err := dir.Write(t.Context(), schema.Manifest{Schema: schema.ManifestSchema, Round: 1, Learner: "counts", CreatedAt: testStart, Backend: "go"}, files)
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Promote(t.Context(), m.Version); err != nil {
		t.Fatal(err)
	}
	st.refresh()

	st.click("u", "i004")
	a := st.recommend("/v1/recommend/u?n=20&filter_seen=true&explain=true")
	if a.ModelVersion != m.Version || len(a.Items) != 19 || a.Items[0].ID != "i005" || a.Items[0].Source != schema.SourceSimilar || len(a.Items[0].Parts) == 0 {
		t.Errorf("answer %+v", a)
	}
	win, err := st.win.Window(t.Context(), "u")
	if err != nil {
		t.Fatal(err)
	}
	own := bundle.Rank(ranker.Request{History: win.Entries, Now: st.clock(), N: 19, ExcludeHistory: true})
	for i, s := range own {
		if s.Item != a.Items[i].ID {
			t.Fatalf("place %d: the server says %s, the trainer's bundle %s", i, a.Items[i].ID, s.Item)
		}
	}
	if got := ids(st.recommend("/v1/similar/i010?n=1")); got[0] != "i011" {
		t.Errorf("similar to i010: %v", got)
	}
	st.do("DELETE", "/v1/items/i005", "")
	if got := ids(st.recommend("/v1/recommend/u?n=20")); slices.Contains(got, "i005") || len(got) != 19 {
		t.Errorf("after the withdrawal: %v", got)
	}
	if list := into[ModelList](t, st.do("GET", "/v1/models", ""), 200); list.Current != m.Version || len(list.Manifests) != 1 || list.Manifests[0].Hash == "" {
		t.Errorf("models %+v", list)
	}
	if n := len(st.recommend("/v1/recommend/u?n=20&category=even").Items); n != 10 {
		t.Errorf("%d items of a category of 10", n)
	}
}

// TestDeps holds what this package promises about its imports, with the reason.
func TestDeps(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	for dep := range strings.Lines(string(out)) {
		for bad, why := range map[string]string{
			"segmentio/kafka-go": "serve writes through EventSink; cmd wires the client",
			"twmb/franz-go":      "it is the embedded broker's",
			"gomlx/":             "answers are computed by pure Go: small binary, no plugin, no store in the request path",
		} {
			if strings.Contains(dep, bad) {
				t.Errorf("serve imports %s: %s", strings.TrimSpace(dep), why)
			}
		}
	}
}
