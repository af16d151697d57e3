package counts

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// stream is a random log: a few users, a few items, baskets of one to four, time moving on unevenly.
func stream(seed uint64, events, items int) []Observation {
	rng := rand.New(rand.NewPCG(seed, 1))
	windows, times := make([][]int32, 5), make([][]int64, 5)
	now := start
	var out []Observation
	for len(out) < events {
		now = now.Add(time.Duration(rng.IntN(48)) * time.Hour)
		u := rng.IntN(len(windows))
		before, at := slices.Clone(windows[u]), slices.Clone(times[u])
		var basket []int32
		for range 1 + rng.IntN(4) {
			item := int32(1 + rng.IntN(items)*rng.IntN(items)/items)
			out = append(out, Observation{User: uint64(u + 1), History: before, Times: at, Basket: slices.Clone(basket), Item: item, Time: now})
			windows[u], times[u] = append(windows[u], item), append(times[u], now.UnixMilli())
			basket = append(basket, item)
		}
		windows[u] = windows[u][max(0, len(windows[u])-20):]
		times[u] = times[u][max(0, len(times[u])-20):]
	}
	return out
}

func learn(cfg Config, obs []Observation) *Counts {
	c := NewCounts(cfg)
	for _, o := range obs {
		c.Update(o)
	}
	return c
}

func encode(t *testing.T, c *Counts) []byte {
	t.Helper()
	b, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reference is the learner written the slow and obvious way.
type reference struct {
	obs  []Observation
	rows map[int32]map[int32]float64
}

func refer(obs []Observation) reference {
	r := reference{obs: obs, rows: map[int32]map[int32]float64{}}
	for _, o := range obs {
		for k := 0; k < 10 && k < len(o.History); k++ {
			from := o.History[len(o.History)-1-k]
			if r.rows[from] == nil {
				r.rows[from] = map[int32]float64{}
			}
			r.rows[from][o.Item] += math.Pow(0.8, float64(k))
		}
	}
	return r
}

func (r reference) transitions(history []int32, n int) []float64 {
	out := make([]float64, n)
	for k := 0; k < 10 && k < len(history); k++ {
		row := r.rows[history[len(history)-1-k]]
		sum := 0.0
		for _, w := range row {
			sum += w
		}
		for item, w := range row {
			out[item] += math.Pow(0.8, float64(k)) * w / (sum + 5)
		}
	}
	return out
}

func (r reference) popularity(now time.Time, halfLife time.Duration, n int, first bool) []float64 {
	out := make([]float64, n)
	for _, o := range r.obs {
		if !first || !slices.Contains(o.History, o.Item) {
			out[o.Item] += math.Exp2(-float64(now.Sub(o.Time)) / float64(halfLife))
		}
	}
	return out
}

func near(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	for i := range want {
		if math.Abs(float64(got[i])-want[i]) > 1e-4*(1+math.Abs(want[i])) {
			t.Fatalf("%s of item %d = %v, want %v", what, i, got[i], want[i])
		}
	}
}

func TestCounts_equalsTheSlowReference(t *testing.T) {
	for seed := range uint64(5) {
		obs := stream(seed, 2000, 30)
		c, ref := learn(DefaultConfig(), obs), refer(obs)
		now := obs[len(obs)-1].Time.Add(36 * time.Hour)
		got := make([]float32, c.Len())
		c.Popularity(now, got)
		near(t, "popularity", got, ref.popularity(now, DefaultConfig().HalfLife, c.Len(), false))
		first := ref.popularity(now, DefaultConfig().HalfLife/2, c.Len(), true)
		total := 0.0
		for _, v := range first {
			total += v
		}
		for i, v := range first {
			if i > 0 && c.seen[i] > 0 {
				want := v / total * float64(c.Len()-1)
				if f := c.Figures(int32(i), now).First; math.Abs(f-want) > 1e-9*(1+want) {
					t.Fatalf("first-time popularity of %d = %v, want %v", i, f, want)
				}
			}
		}
		for _, o := range obs[1990:] {
			clear(got)
			c.Transitions(o.History, got)
			want := ref.transitions(o.History, c.Len())
			near(t, "transition score", got, want)
			var s Sparse
			c.TransitionsSparse(o.History, &s)
			near(t, "sparse transition score", s.Values, want)
			for i, v := range s.Values {
				if (v > 0) != slices.Contains(s.Touched, int32(i)) {
					t.Fatalf("item %d with %v is wrongly listed or missing", i, v)
				}
			}
		}
	}
}

func TestCounts_popularityHalvesInAHalfLife(t *testing.T) {
	c := NewCounts(Config{HalfLife: time.Hour, MaxSuccessors: 8})
	c.Update(Observation{Item: 1, Time: start})
	for h := range 2000 { // through several rebases
		now := start.Add(time.Duration(h) * time.Hour)
		out := make([]float32, 2)
		c.Popularity(now, out)
		if want := float32(math.Exp2(-float64(h))); math.Abs(float64(out[1]-want)) > 1e-5*float64(want)+1e-40 {
			t.Fatalf("after %d half-lives %v, want %v", h, out[1], want)
		}
		if h%100 == 0 {
			c.Update(Observation{Item: 3, Time: now})
		}
	}
}

func TestCounts_orderOfCommutingUpdatesHardlyMatters(t *testing.T) {
	obs := stream(7, 500, 20)
	for i := range obs {
		obs[i].Time = start.Add(time.Duration(i*i) * time.Minute)
	}
	shuffled := slices.Clone(obs)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(obs), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	a, b := learn(DefaultConfig(), obs), learn(DefaultConfig(), shuffled)
	for col := range a.columns {
		if a.columns[col].ref != b.columns[col].ref {
			t.Fatalf("column %d has reference times %d and %d", col, a.columns[col].ref, b.columns[col].ref)
		}
		for i, v := range a.columns[col].values {
			if math.Abs(v-b.columns[col].values[i]) > 1e-12*v {
				t.Fatalf("column %d, item %d: %v and %v", col, i, v, b.columns[col].values[i])
			}
		}
	}
	for i, r := range a.tables[tabFollows].rows {
		if r != nil && (!slices.Equal(r.items, b.tables[tabFollows].rows[i].items) || math.Abs(float64(r.total-b.tables[tabFollows].rows[i].total)) > 1e-3) {
			t.Fatalf("row %d differs by order", i)
		}
	}
}

func TestCounts_boundsSuccessors(t *testing.T) {
	cfg := Config{HalfLife: time.Hour, MaxSuccessors: 4}
	c := NewCounts(cfg)
	for _, o := range stream(3, 3000, 40) {
		c.Update(o)
		for from, r := range c.tables[tabFollows].rows {
			if r == nil {
				continue
			}
			if len(r.items) > cfg.MaxSuccessors || !slices.IsSorted(r.items) || len(r.items) != len(r.weights) {
				t.Fatalf("row %d holds %v with %v", from, r.items, r.weights)
			}
		}
		if len(o.History) > 0 && c.tables[tabFollows].rows[o.History[len(o.History)-1]].weight(o.Item) == 0 {
			t.Fatalf("the newcomer %d is not in the row of %d", o.Item, o.History[len(o.History)-1])
		}
	}
}

func TestRow_dropsTheSmallestAndOfEqualsTheLargestIndex(t *testing.T) {
	r := &row{}
	for _, add := range []struct {
		item int32
		w    float32
	}{{5, 3}, {9, 1}, {2, 1}, {7, 2}, {1, 1}} {
		r.add(add.item, add.w, 4)
	}
	if !slices.Equal(r.items, []int32{1, 2, 5, 7}) || !slices.Equal(r.weights, []float32{1, 1, 3, 2}) || r.total != 8 {
		t.Errorf("row %v %v, total %v", r.items, r.weights, r.total)
	}
}

func TestRow_pruneTakesTheSmallestQuarter(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := 1; n < 70; n++ {
		r := &row{total: 7}
		for i := range n {
			r.items, r.weights = append(r.items, int32(3*i+1)), append(r.weights, float32(1+rng.IntN(4)))
		}
		type pair struct {
			item   int32
			weight float32
		}
		var want []pair
		for i, v := range r.weights {
			want = append(want, pair{r.items[i], v})
		}
		slices.SortFunc(want, func(a, b pair) int {
			if a.weight != b.weight {
				return cmp.Compare(b.weight, a.weight)
			}
			return cmp.Compare(a.item, b.item)
		})
		want = want[:n-max(n/4, 1)]
		slices.SortFunc(want, func(a, b pair) int { return cmp.Compare(a.item, b.item) })
		r.prune()
		if len(r.items) != len(want) || len(r.weights) != len(want) || r.total != 7 {
			t.Fatalf("%d entries: %d items and %d weights are left, want %d; total %v", n, len(r.items), len(r.weights), len(want), r.total)
		}
		for i, p := range want {
			if r.items[i] != p.item || r.weights[i] != p.weight {
				t.Fatalf("%d entries: place %d holds %d with %v, want %d with %v", n, i, r.items[i], r.weights[i], p.item, p.weight)
			}
		}
	}
}

func TestRow_halvesBeforeFloatsStopCounting(t *testing.T) {
	r := &row{}
	for range 3 * halveAt {
		r.add(1, 1, 4)
	}
	r.add(2, 1, 4)
	if r.total >= halveAt || r.weight(1) < halveAt/2 || r.weight(2) != 1 {
		t.Errorf("total %v, weights %v", r.total, r.weights)
	}
}

func TestCounts_ignoresWhatIsNoItem(t *testing.T) {
	c := NewCounts(DefaultConfig())
	c.Update(Observation{Item: 0, Time: start})
	c.Update(Observation{Item: -3, Time: start})
	c.Update(Observation{History: []int32{0, -1, 2}, Item: 1, Time: start})
	if c.Updates() != 1 || c.Len() != 3 || c.tables[tabFollows].rows[2].weight(1) != 1 {
		t.Errorf("%d updates, %d items", c.Updates(), c.Len())
	}
	c.Transitions([]int32{99, -1, 0}, make([]float32, 1))
	var s Sparse
	c.BasketTransitions([]int32{99, -1, 0}, &s)
	c.Similar(99, &s)
	c.Similar(-1, &s)
	if f := c.Figures(99, start); f != (ItemFigures{}) {
		t.Errorf("figures of an unknown item: %+v", f)
	}
}

func TestCounts_cloneIsIndependent(t *testing.T) {
	obs := stream(11, 3000, 30)
	a := learn(DefaultConfig(), obs[:1000])
	frozen := a.Clone()
	want := encode(t, frozen)
	b := a.Clone()
	for i := range 1000 { // both sides change rows they share
		a.Update(obs[1000+i])
		b.Update(obs[2000+i])
	}
	if !bytes.Equal(encode(t, frozen), want) {
		t.Error("updating the origin or another clone changed a clone")
	}
	if !bytes.Equal(encode(t, a), encode(t, learn(DefaultConfig(), obs[:2000]))) {
		t.Error("the origin differs from counts that were never cloned")
	}
	if !bytes.Equal(encode(t, b), encode(t, learn(DefaultConfig(), slices.Concat(obs[:1000], obs[2000:3000])))) {
		t.Error("the clone differs from counts that were never cloned")
	}
}

// TestCounts_cloneBesideReaders is for the race detector: a published model is cloned while it answers.
func TestCounts_cloneBesideReaders(t *testing.T) {
	obs := stream(12, 500, 30)
	c := learn(DefaultConfig(), obs)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := range 100 {
				c.Transitions(obs[i].History, make([]float32, c.Len()))
				c.Figures(1, start)
				c.Clone().Update(obs[i])
			}
		})
	}
	wg.Wait()
}

func TestCounts_similarIsSymmetricAndFindsRarePartners(t *testing.T) {
	c := learn(DefaultConfig(), stream(5, 2000, 30))
	var a, b Sparse
	for i := int32(1); int(i) < c.Len(); i++ {
		c.Similar(i, &a)
		if slices.Contains(a.Touched, i) {
			t.Fatalf("item %d is similar to itself", i)
		}
		for _, j := range a.Touched {
			c.Similar(j, &b)
			if math.Abs(float64(a.Values[j]-b.Values[i])) > 1e-6 {
				t.Fatalf("similar(%d,%d) = %v, the other way %v", i, j, a.Values[j], b.Values[i])
			}
		}
	}
}

func TestRepeats(t *testing.T) {
	history := []int32{4, 7, 4, 0, 9, 7, 7}
	times := []int64{1, 1, 2, 2, 3, 4, 4}
	const day14 = 14 * 24 * 60 * 60 * 1000 // a few ms after the last
	var index Sparse
	got := Repeats(history, times, day14, nil, &index)
	want := []Repeat{
		{Item: 7, Times: 3, Baskets: 2, Last: 4, Begun: 1, Rank: 0, Lag: 0, Recent: 1 + 0.512, oldest: 3},
		{Item: 9, Times: 1, Baskets: 1, Last: 3, Begun: 3, Rank: 1, Lag: 1, Recent: 0.8, oldest: 1},
		{Item: 4, Times: 2, Baskets: 2, Last: 2, Begun: 1, Rank: 2, Lag: 2, Recent: 0.64 + 0.512, oldest: 3},
	}
	for i := range got {
		if d := got[i].Recent - want[i].Recent; d < -1e-6 || d > 1e-6 {
			t.Errorf("recent of %d = %v, want %v", got[i].Item, got[i].Recent, want[i].Recent)
		}
		got[i].Recent = want[i].Recent
		if f := got[i].Faded[0]; math.Abs(float64(f)-float64(got[i].Times)/2) > 1e-6 {
			t.Errorf("%d interactions with %d weigh %v after a half-life", got[i].Times, got[i].Item, f)
		}
		got[i].Faded = want[i].Faded
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if len(index.Touched) != 0 || slices.Max(index.Values) != 0 {
		t.Error("the scratch index is dirty")
	}
	if got := Repeats(nil, nil, 0, got, &index); len(got) != 0 {
		t.Errorf("an empty window repeats %+v", got)
	}
}

func BenchmarkUpdate(b *testing.B) {
	obs := stream(1, 20000, 4000)
	c := learn(DefaultConfig(), obs)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.Update(obs[i%len(obs)])
	}
}

func BenchmarkClone(b *testing.B) {
	c := learn(DefaultConfig(), stream(1, 20000, 4000))
	b.ReportAllocs()
	for b.Loop() {
		c.Clone()
	}
}
