package mixer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// wideLayout has the given numbers of columns.
func wideLayout(items, context int) Layout {
	var l Layout
	for i := range items {
		l.Item = append(l.Item, fmt.Sprint("i", i))
	}
	for i := range context {
		l.Context = append(l.Context, fmt.Sprint("c", i))
	}
	return l
}

// randomCase has n candidates, about the given share of whose values are not zero.
func randomCase(rng *rand.Rand, l Layout, n int, full float64) Case {
	c := Case{Context: make([]float32, len(l.Context)), Items: make([]float32, n*len(l.Item)), Targets: make([]float32, n)}
	for i := range c.Context {
		c.Context[i] = rng.Float32()
	}
	for i := range c.Items {
		if rng.Float64() < full {
			c.Items[i] = float32(rng.NormFloat64())
		}
	}
	for range 1 + n/20 {
		c.Targets[rng.IntN(n)]++
	}
	return c
}

// randomModel has weights everywhere but in the padding.
func randomModel(rng *rand.Rand, l Layout, hidden, hidden2 int) model {
	s := unitScale(l)
	for f := range s.dev {
		s.dev[f] = 0.5 + rng.Float64()
		if rng.IntN(3) == 0 {
			s.mean[f] = rng.NormFloat64()
		}
	}
	w := newWeights(newShape(l, hidden, hidden2))
	for i := range w.flat {
		w.flat[i] = float32(0.3 * rng.NormFloat64())
	}
	w.tidy()
	return newModel(l, s, w)
}

// plainScores is the network as one would write it down, in double precision.
func plainScores(m *model, flat []float64, c Case) []float64 {
	sh := m.w.shape
	wide, wide2 := sh.wide(), sh.wide2()
	take := func(n int) []float64 {
		part := flat[:n]
		flat = flat[n:]
		return part
	}
	linear, input, bias := take(sh.items), take((sh.items+sh.context)*wide), take(wide)
	inner, bias2 := take(wide*wide2), take(wide2)
	out := make([]float64, len(c.Targets))
	rectified := func(in, w, b []float64) []float64 {
		h := slices.Clone(b)
		for f, x := range in {
			for j := range h {
				h[j] += x * w[f*len(h)+j]
			}
		}
		for j := range h {
			h[j] = max(h[j], 0)
		}
		return h
	}
	for i := range out {
		var in []float64
		for f, x := range slices.Concat(c.Items[i*sh.items:(i+1)*sh.items], c.Context) {
			in = append(in, float64((x-m.stand.mean[f])*m.stand.inverse[f]))
		}
		for f, w := range linear {
			out[i] += w * in[f]
		}
		h := rectified(in, input, bias)
		if wide2 > 0 {
			h = rectified(h, inner, bias2)
		}
		for j, v := range h {
			out[i] += v * flat[j]
		}
	}
	return out
}

func plainLoss(m *model, flat []float64, c Case) float64 {
	scores := plainScores(m, flat, c)
	loss := 0.0
	for i, n := range c.Targets {
		loss -= float64(n) * scores[i]
	}
	for i, n := range c.Stands {
		scores[i] += math.Log(float64(n))
	}
	return loss + c.lines()*softmax(scores)
}

func double(flat []float32) []float64 {
	out := make([]float64, len(flat))
	for i, v := range flat {
		out[i] = float64(v)
	}
	return out
}

var shapes = [][2]int{{0, 0}, {5, 0}, {8, 0}, {5, 3}, {13, 9}, {16, 8}}

// TestScores_equalTheDenseNetwork: skipping zeros, padding and blocks change nothing but rounding.
func TestScores_equalTheDenseNetwork(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 60 {
		l := wideLayout(1+rng.IntN(20), rng.IntN(5))
		h := shapes[rng.IntN(len(shapes))]
		m := randomModel(rng, l, h[0], h[1])
		mix, err := build(l, m.scale, m.w)
		if err != nil {
			t.Fatal(err)
		}
		c := randomCase(rng, l, 1+rng.IntN(150), rng.Float64())
		got, lane := make([]float64, len(c.Targets)), newLane(m.w.shape)
		mix.Scores(c.Context, c.Items, got)
		lane.begin(m.w)
		lane.forward(&m, c)
		if !slices.Equal(got, lane.scores) {
			t.Fatalf("%v: a fit and Scores see different scores", h)
		}
		for i, want := range plainScores(&m, double(m.w.flat), c) {
			if math.Abs(got[i]-want) > 1e-4*(1+math.Abs(want)) {
				t.Fatalf("%v: score %d is %v, want %v", h, i, got[i], want)
			}
		}
	}
}

func TestScores_followTheirCandidates(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	l := wideLayout(9, 2)
	m := randomModel(rng, l, 12, 5)
	mix, err := build(l, m.scale, m.w)
	if err != nil {
		t.Fatal(err)
	}
	c := randomCase(rng, l, 90, 0.5)
	order, mixed := rng.Perm(90), slices.Clone(c.Items)
	for to, from := range order {
		copy(mixed[to*9:], c.Items[from*9:(from+1)*9])
	}
	a, b := make([]float64, 90), make([]float64, 90)
	mix.Scores(c.Context, c.Items, a)
	mix.Scores(c.Context, mixed, b)
	for to, from := range order {
		if b[to] != a[from] {
			t.Fatalf("candidate %d scores %v at place %d, %v at its own", from, b[to], to, a[from])
		}
	}
}

// TestLoss_gradientEqualsFiniteDifferences of the plain network.
func TestLoss_gradientEqualsFiniteDifferences(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for _, h := range shapes {
		l := wideLayout(7, 3)
		m := randomModel(rng, l, h[0], h[1])
		c := randomCase(rng, l, 2*block+11, 0.6)
		if h[0] != 5 {
			c = Thin(c, block+3, 1)
		}
		lane, flat := newLane(m.w.shape), double(m.w.flat)
		lane.begin(m.w)
		if got, want := lane.loss(&m, c, 0.7, true), plainLoss(&m, flat, c); math.Abs(got-want) > 1e-4*want {
			t.Fatalf("%v: loss %v, want %v", h, got, want)
		}
		const step = 1e-5
		for i, g := range lane.grad.flat {
			old := flat[i]
			flat[i] = old + step
			up := plainLoss(&m, flat, c)
			flat[i] = old - step
			want := 0.7 * (up - plainLoss(&m, flat, c)) / (2 * step)
			if flat[i] = old; math.Abs(float64(g)-want) > 2e-3*(1+math.Abs(want)) {
				t.Errorf("%v: gradient %d is %v, finite differences say %v", h, i, g, want)
			}
		}
		padding := lane.grad.clone()
		padding.tidy()
		if !slices.Equal(padding.flat, lane.grad.flat) {
			t.Errorf("%v: the padding learns", h)
		}
	}
}

// TestFit_isTheSameWithTwoWorkers and for any start shape.
func TestFit_isTheSameWithTwoWorkers(t *testing.T) {
	one, two := DefaultConfig(), DefaultConfig()
	one.Workers = 1
	start := linear(t, 1, 1, 0)
	a, _ := fit(t, task(1, 30), one, start, 1)
	b, _ := fit(t, task(1, 30), two, start, 1)
	if !slices.Equal(a.weight.flat, b.weight.flat) {
		t.Error("the number of workers changed the result")
	}
}

func TestEffects_ofADeepNetworkAreDifferencesOfScores(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	l := wideLayout(6, 2)
	m := randomModel(rng, l, 12, 5)
	mix, err := build(l, m.scale, m.w)
	if err != nil {
		t.Fatal(err)
	}
	c := randomCase(rng, l, 1, 0.8)
	changed := slices.Clone(c.Items)
	changed[1], changed[4] = m.stand.mean[1], m.stand.mean[4]
	whole, less, got := make([]float64, 1), make([]float64, 1), make([]float64, 1)
	mix.Scores(c.Context, c.Items, whole)
	mix.Scores(c.Context, changed, less)
	mix.Effects(c.Context, c.Items, [][]int{{1, 4}}, got)
	if got[0] != whole[0]-less[0] {
		t.Errorf("effect %v, want %v", got[0], whole[0]-less[0])
	}
}
