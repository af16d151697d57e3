package titles

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func randomVector(rng *rand.Rand, dim int, scale float64) []float32 {
	v := make([]float32, dim)
	for i := range v {
		v[i] = float32(scale * rng.NormFloat64())
	}
	return v
}

func unit(v []float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	out := slices.Clone(v)
	for i := range out {
		out[i] = float32(float64(out[i]) / math.Sqrt(sum))
	}
	return out
}

func newIndex(t testing.TB, dim int, m Metric, vecs [][]float32) *Index {
	t.Helper()
	x, err := NewIndex(dim, m)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range vecs {
		if err := x.Set(fmt.Sprint("i", i), v); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

func names(hits []Hit) (ids []string) {
	for _, h := range hits {
		ids = append(ids, h.ID)
	}
	return ids
}

// TestNearest_isExact compares with a sort of all float64 distances.
func TestNearest_isExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, m := range []Metric{Cosine, L2} {
		vecs := make([][]float32, 200)
		for i := range vecs {
			vecs[i] = randomVector(rng, 13, 1+float64(i%7))
		}
		x := newIndex(t, 13, m, vecs)
		for range 20 {
			q := randomVector(rng, 13, 2)
			want := make([]int, len(vecs))
			dist := make([]float64, len(vecs))
			for i, v := range vecs {
				want[i] = i
				a, b := q, v
				if m == Cosine {
					a, b = unit(q), unit(v)
				}
				for j := range a {
					dist[i] += (float64(a[j]) - float64(b[j])) * (float64(a[j]) - float64(b[j]))
				}
			}
			slices.SortFunc(want, func(i, j int) int { return cmp.Compare(dist[i], dist[j]) })
			hits, err := x.Nearest(q, 10, nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, h := range hits {
				if h.Row != want[k] {
					t.Fatalf("metric %v, place %d: row %d, want %d", m, k, h.Row, want[k])
				}
			}
		}
	}
}

func TestCosineAndL2_agreeOnUnitVectors(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	vecs := make([][]float32, 300)
	for i := range vecs {
		vecs[i] = unit(randomVector(rng, 24, 1))
	}
	c, l := newIndex(t, 24, Cosine, vecs), newIndex(t, 24, L2, vecs)
	for range 20 {
		q := unit(randomVector(rng, 24, 1))
		a, err := c.Nearest(q, 20, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.Nearest(q, 20, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(names(a), names(b)) {
			t.Fatalf("%v by cosine, %v by distance", names(a), names(b))
		}
	}
}

func TestL2_keepsSmallDistancesOfLongVectors(t *testing.T) {
	far := make([]float32, 64)
	for i := range far {
		far[i] = 1000
	}
	near := slices.Clone(far)
	near[0] += 0.01
	x := newIndex(t, 64, L2, [][]float32{near, far})
	hits, err := x.Nearest(far, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if hits[0].ID != "i1" || hits[0].Score != 0 || hits[1].Score == 0 {
		t.Errorf("%+v: want i1 at distance 0, then i0", hits)
	}
}

func TestDelete_rowIsEmptyThenReused(t *testing.T) {
	x := newIndex(t, 2, Cosine, [][]float32{{1, 0}, {0, 1}, {1, 1}})
	x.Delete("i1")
	x.Delete("unknown")
	out := make([]float32, x.Rows())
	if n, err := x.Scores([]float32{0, 2}, out); err != nil || n != 3 {
		t.Fatal(n, err)
	}
	if !math.IsInf(float64(out[1]), -1) || x.Len() != 2 || x.ID(1) != "" {
		t.Errorf("scores %v, %d items, row 1 is %q", out, x.Len(), x.ID(1))
	}
	hits, err := x.Nearest([]float32{0, 1}, 9, nil)
	if err != nil || !slices.Equal(names(hits), []string{"i2", "i0"}) {
		t.Errorf("%v, %v", names(hits), err)
	}
	if err := x.Set("new", []float32{0, 3}); err != nil {
		t.Fatal(err)
	}
	if row, ok := x.Row("new"); !ok || row != 1 || x.Rows() != 3 {
		t.Errorf("row %d, %d rows: want the empty row to be taken", row, x.Rows())
	}
	if hits, _ = x.Nearest([]float32{0, 1}, 1, nil); hits[0].ID != "new" || math.Abs(float64(hits[0].Score)-1) > 1e-6 {
		t.Errorf("%+v", hits)
	}
}

func TestNearest_allowAndTies(t *testing.T) {
	x := newIndex(t, 2, Cosine, [][]float32{{1, 0}, {2, 0}, {3, 0}, {0, 1}})
	hits, err := x.Nearest([]float32{1, 0}, 2, func(id string) bool { return id != "i0" })
	if err != nil || !slices.Equal(names(hits), []string{"i1", "i2"}) {
		t.Errorf("%v, %v: want ties by id and i0 left out", names(hits), err)
	}
}

// Equal titles have equal vectors: which of them is found must not depend on which came first.
func TestNearest_tiesAreByIDWhateverTheOrderOfArrival(t *testing.T) {
	ids := []string{"d", "b", "e", "a", "c"}
	for range ids {
		x, err := NewIndex(2, L2)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range append(ids, "far") {
			v := []float32{1, 0}
			if id == "far" {
				v[0] = 9
			}
			if err := x.Set(id, v); err != nil {
				t.Fatal(err)
			}
		}
		for k, want := range map[int][]string{1: {"a"}, 3: {"a", "b", "c"}, 6: {"a", "b", "c", "d", "e", "far"}} {
			if hits, err := x.Nearest([]float32{1, 0}, k, nil); err != nil || !slices.Equal(names(hits), want) {
				t.Errorf("arrived as %v: %v, %v, want %v", ids, names(hits), err, want)
			}
		}
		ids = append(ids[1:], ids[0])
	}
}

func TestIndex_refuses(t *testing.T) {
	if _, err := NewIndex(0, Cosine); err == nil {
		t.Error("dim 0 was taken")
	}
	if _, err := NewIndex(2, 9); err == nil {
		t.Error("an unknown metric was taken")
	}
	x := newIndex(t, 2, Cosine, nil)
	nan := float32(math.NaN())
	for name, v := range map[string][]float32{"length": {1}, "zero": {0, 0}, "nan": {nan, 1}} {
		if err := x.Set("a", v); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := x.Set("", []float32{1, 0}); err == nil {
		t.Error("an empty id was taken")
	}
	if _, err := x.Nearest([]float32{1, 0}, 0, nil); err == nil {
		t.Error("k 0 was taken")
	}
	if hits, err := x.Nearest([]float32{1, 0}, 3, nil); err != nil || len(hits) != 0 {
		t.Errorf("empty index: %v, %v", hits, err)
	}
}

// TestIndex_readersBesideAWriter lets readers look while vectors change between two values: they may see the old or
// the new one, never a mixture, whose length would not be 1.
func TestIndex_readersBesideAWriter(t *testing.T) {
	x := newIndex(t, 2, Cosine, [][]float32{{1, 0}, {0, 1}})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			out := make([]float32, 4)
			for range 500 {
				n, err := x.Scores([]float32{1, 0}, out)
				if err != nil || n < 2 || out[0] != 0 && out[0] != 1 {
					t.Errorf("%v %v", out[:n], err)
					return
				}
			}
		})
	}
	for i := range 500 {
		v := []float32{float32(i % 2), float32(1 - i%2)}
		if err := x.Set("i0", v); err != nil {
			t.Fatal(err)
		}
		x.Delete("i2")
		if err := x.Set("i2", v); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}

// BenchmarkNearest is one look-up among 12,000 titles of MiniLM's width.
func BenchmarkNearest(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for name, m := range map[string]Metric{"cosine": Cosine, "l2": L2} {
		x := newIndex(b, 384, m, nil)
		for i := range 12000 {
			if err := x.Set(fmt.Sprint(i), randomVector(rng, 384, 1)); err != nil {
				b.Fatal(err)
			}
		}
		q := randomVector(rng, 384, 1)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := x.Nearest(q, 100, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
