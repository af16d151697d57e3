package retrieval

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/lora"
)

func TestPlan_everyPromptOnceAtItsLength(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		lengths := make([]int, 1+rng.IntN(200))
		for i := range lengths {
			lengths[i] = []int{16, 32, 48, 96}[rng.IntN(4)]
		}
		seed := rng.Uint64()
		parts := plan(lengths, 16, rand.New(rand.NewPCG(seed, 1)))
		again := plan(lengths, 16, rand.New(rand.NewPCG(seed, 1)))
		seen, short := map[int]bool{}, 0
		for k, p := range parts {
			if !slices.Equal(p.prompts, again[k].prompts) {
				t.Fatal("the same seed gave another order")
			}
			if len(p.prompts) < 16 {
				short++
			}
			for _, i := range p.prompts {
				if seen[i] || lengths[i] > p.length {
					t.Fatalf("prompt %d of length %d: twice, or cut to %d", i, lengths[i], p.length)
				}
				seen[i] = true
			}
		}
		if len(seen) != len(lengths) || short > 1 {
			t.Fatalf("%d of %d prompts, %d short batches", len(seen), len(lengths), short)
		}
	}
}

func TestTop_isASort(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		scores := make([]float32, 1+rng.IntN(30))
		for i := range scores {
			scores[i] = float32(rng.IntN(6))
			if rng.IntN(4) == 0 {
				scores[i] = leftOut
			}
		}
		var want []int32
		for i, s := range scores {
			if s != leftOut {
				want = append(want, int32(i))
			}
		}
		slices.SortStableFunc(want, func(a, b int32) int { return cmp.Compare(scores[b], scores[a]) })
		n := 1 + rng.IntN(5)
		if got := top(scores, n); !slices.Equal(got, want[:min(n, len(want))]) {
			t.Fatalf("%v of %v: want %v", got, scores, want)
		}
	}
}

func TestBest_confidenceIsTheProbability(t *testing.T) {
	scores := []float32{float32(math.Log(2)), leftOut, float32(math.Log(5)), float32(math.Log(3))}
	got, weights, confidence := best(scores, 2)
	if !slices.Equal(got, []int32{2, 3}) || math.Abs(float64(confidence)-0.5) > 1e-6 || math.Abs(float64(weights[0])-5.0/8) > 1e-6 {
		t.Errorf("%v, %v, %v", got, weights, confidence)
	}
	if got, _, _ := best([]float32{leftOut}, 2); got != nil {
		t.Errorf("%v: want no answer", got)
	}
}

// TestProject_isAResidualOnTheItems: moving the query is the same as moving every item.
func TestProject_isAResidualOnTheItems(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const d = 5
	vector := func() []float32 {
		v := make([]float32, d)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	for _, cfg := range []lora.Config{{Rank: 2, Alpha: 3}, {Full: true}} {
		h, err := newHead(cfg, d, 1)
		if err != nil {
			t.Fatal(err)
		}
		q, item := vector(), vector()
		if !slices.Equal(Project(h, q), q) {
			t.Error("a fresh residual changes something")
		}
		for _, f := range h.Flat() {
			for i := range f {
				f[i] = float32(rng.NormFloat64())
			}
		}
		var want, got float64
		for r := range d {
			moved := float64(item[r])
			for c := range d {
				moved += residualAt(h, r, c) * float64(item[c])
			}
			want += float64(q[r]) * moved
			got += float64(Project(h, q)[r]) * float64(item[r])
		}
		if math.Abs(want-got) > 1e-4 {
			t.Errorf("full %v: %v by the query, %v by the item", cfg.Full, got, want)
		}
	}
}

func residualAt(h *lora.Adapter, r, c int) float64 {
	d := h.Modules[0].In
	if h.Config.Full {
		return float64(h.A[0][r*d+c])
	}
	var sum float64
	for k := range h.Config.Rank {
		sum += float64(h.B[0][r*h.Config.Rank+k]) * float64(h.A[0][k*d+c])
	}
	return sum * h.Config.Scaling()
}

func TestSplitAndJoin(t *testing.T) {
	enc, err := lora.New(lora.DefaultConfig(), []lora.Module{{Name: "a", In: 4, Out: 4}, {Name: "b", In: 4, Out: 4}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHead(enc.Config, 4, 1)
	if err != nil {
		t.Fatal(err)
	}
	whole := Join(enc, h)
	data, err := whole.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := lora.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	e, items := Split(back)
	if len(e.Modules) != 2 || items == nil || items.Modules[0].Name != ItemModule || !slices.Equal(items.A[0], h.A[0]) {
		t.Errorf("%+v and %+v", e.Modules, items)
	}
	if e, items := Split(enc); e != enc || items != nil {
		t.Error("an adapter without a residual was taken apart")
	}
}

func TestSample_withoutRepeats(t *testing.T) {
	l := &Learner{engine: &Engine{cfg: Config{Negatives: 7}}}
	for i := range int32(20) {
		l.rankable = append(l.rankable, 2*i)
	}
	counts := map[int32]int{}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		s := l.sample(rng)
		if len(s) != 7 || !slices.IsSorted(s) || len(slices.Compact(slices.Clone(s))) != 7 {
			t.Fatal(s)
		}
		for _, item := range s {
			counts[item]++
		}
	}
	for _, item := range l.rankable {
		if c := counts[item]; c < 600 || c > 800 {
			t.Errorf("item %d drawn %d times: want about 700", item, c)
		}
	}
	if l.engine.cfg.Negatives = 20; l.sample(rng) != nil {
		t.Error("a sample as large as the catalogue should be the catalogue")
	}
}

func TestPadded_growsSeldom(t *testing.T) {
	shapes := map[int]bool{}
	for n := 1; n <= 20000; n++ {
		p := padded(n)
		if p < n || float64(p) > 1.13*float64(n)+8 {
			t.Fatalf("%d rows are padded to %d", n, p)
		}
		shapes[p] = true
	}
	if len(shapes) > 120 {
		t.Errorf("%d shapes up to 20,000 items", len(shapes))
	}
}

func TestConfig_faultsAreNamed(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{MicroBatch: -1, Negatives: -1}.Validate()
	for _, field := range []string{"retrieval.batch 0", "retrieval.micro_batch -1", "retrieval.temperature 0", "retrieval.answers 0", "retrieval.negatives -1", "lora.rank 0", "titles.items 0"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v: want it to name %q", err, field)
		}
	}
}
