package mixer

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var layout = Layout{Item: []string{"a", "b", "c"}, Context: []string{"u", "v"}}

// task makes cases whose right score is known: users with u=1 want a large a, the others a large b; c is noise.
func task(seed uint64, n int) []Case {
	rng := rand.New(rand.NewPCG(seed, 9))
	out := make([]Case, n)
	for i := range out {
		k := 5 + rng.IntN(20)
		c := Case{Context: []float32{float32(rng.IntN(2)), rng.Float32()}, Targets: make([]float32, k)}
		best, top := 0, math.Inf(-1)
		for j := range k {
			x := []float32{rng.Float32(), 3 + 5*rng.Float32(), 0}
			if rng.IntN(4) == 0 {
				x[2] = rng.Float32()
			}
			c.Items = append(c.Items, x...)
			s := float64(x[1]-3) / 5
			if c.Context[0] == 1 {
				s = float64(x[0])
			}
			if s += 0.1 * rng.NormFloat64(); s > top {
				best, top = j, s
			}
		}
		c.Targets[best] = float32(1 + rng.IntN(3))
		out[i] = c
	}
	return out
}

func linear(t *testing.T, w ...float64) *Mixer {
	t.Helper()
	m, err := Linear(layout, w)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func fit(t *testing.T, cases []Case, cfg Config, start *Mixer, seed uint64) (*Mixer, Report) {
	t.Helper()
	m, r, err := Fit(cases, cfg, start, seed)
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

// hits is the share of cases whose best candidate is a target.
func hits(m *Mixer, cases []Case) float64 {
	n := 0
	for _, c := range cases {
		s := make([]float64, len(c.Targets))
		m.Scores(c.Context, c.Items, s)
		if c.Targets[slices.Index(s, slices.Max(s))] > 0 {
			n++
		}
	}
	return float64(n) / float64(len(cases))
}

var thorough = Config{Hidden: 8, Epochs: 30, Batch: 4, Rate: 0.01, Pull: 0}

func TestFit_learnsWhatALinearScoreCannot(t *testing.T) {
	train, test := task(1, 400), task(2, 300)
	start := linear(t, 1, 0.2, 0)
	straight := thorough
	straight.Hidden = 0
	line, _ := fit(t, train, straight, start, 1)
	bent, r := fit(t, train, thorough, start, 1)
	a, b, c := hits(start, test), hits(line, test), hits(bent, test)
	t.Logf("start %.2f, linear %.2f, with hidden layer %.2f; %+v", a, b, c, r)
	if c < b+0.15 || c < 0.5 || r.LossAfter >= r.LossBefore {
		t.Errorf("hits: start %v, linear %v, with hidden layer %v; %+v", a, b, c, r)
	}
}

// TestFit_standardisingAnewKeepsTheFunction moves the columns' scale without a step worth the name.
func TestFit_standardisingAnewKeepsTheFunction(t *testing.T) {
	start, _ := fit(t, task(1, 100), thorough, linear(t, 1, 0, 0), 3)
	shifted := task(5, 50)
	for i := range shifted {
		for j := range shifted[i].Items {
			shifted[i].Items[j] = 4*shifted[i].Items[j] + 1
		}
	}
	still := thorough
	still.Rate, still.Epochs = 1e-12, 1
	m, _ := fit(t, shifted, still, start, 4)
	for _, c := range task(6, 20) {
		a, b := make([]float64, len(c.Targets)), make([]float64, len(c.Targets))
		start.Scores(c.Context, c.Items, a)
		m.Scores(c.Context, c.Items, b)
		for i := range a {
			if d := (a[i] - a[0]) - (b[i] - b[0]); math.Abs(d) > 1e-4 {
				t.Fatalf("score %d moved by %v", i, d)
			}
		}
	}
}

// TestFit_keepsTheSayOfASilentColumn: a network may join after fits without one, and must not start unheard.
func TestFit_keepsTheSayOfASilentColumn(t *testing.T) {
	cases := task(1, 40)
	for i := range cases {
		for j := 2; j < len(cases[i].Items); j += 3 {
			cases[i].Items[j] = 0
		}
	}
	m := linear(t, 1, 1, 0.7)
	for range 3 {
		m, _ = fit(t, cases, thorough, m, 1)
	}
	out := make([]float64, 2)
	m.Scores([]float32{1, 0.5}, []float32{0.3, 4, 0, 0.3, 4, 2}, out)
	if d := out[1] - out[0]; math.Abs(d-1.4) > 1e-5 {
		t.Errorf("the column moves a score by %v, want 1.4", d)
	}
}

func TestFit_isDeterministicAndDependsOnItsSeed(t *testing.T) {
	cases, start := task(1, 60), linear(t, 1, 1, 0)
	bytes := func(seed uint64) string {
		m, _ := fit(t, cases, DefaultConfig(), start, seed)
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first := bytes(1)
	if again := bytes(1); again != first {
		t.Error("the same fit gave two mixers")
	}
	if bytes(2) == first {
		t.Error("the seed changed nothing")
	}
}

func TestFit_pullHoldsTheStart(t *testing.T) {
	start, _ := fit(t, task(1, 100), thorough, linear(t, 1, 0, 0), 1)
	far := func(pull float64) float64 {
		cfg := thorough
		cfg.Pull = pull
		m, _ := fit(t, task(7, 100), cfg, start, 1)
		sum, want := 0.0, start.scale.restate(start.weight, m.scale)
		for i, v := range m.weight.flat {
			d := float64(v - want.flat[i])
			sum += d * d
		}
		return sum
	}
	if free, held := far(0), far(10); held > free/4 {
		t.Errorf("moved by %v freely and by %v when pulled back", free, held)
	}
}

func TestFit_countsWhatItCannotUse(t *testing.T) {
	cases := task(1, 10)
	clear(cases[3].Targets)
	cases[3].Missed, cases[5].Missed = 4, 1
	_, r := fit(t, cases, thorough, linear(t, 1, 0, 0), 1)
	if r.Cases != 9 || r.Skipped != 1 || r.Missed != 5 {
		t.Errorf("report %+v", r)
	}
	start := linear(t, 1, 0, 0)
	m, r := fit(t, cases[3:4], thorough, start, 1)
	if m != start || r.Cases != 0 || r.Skipped != 1 {
		t.Errorf("without a target: %+v, moved %v", r, m != start)
	}
}

func TestFit_refuses(t *testing.T) {
	start := linear(t, 1, 0, 0)
	nan := task(1, 2)
	nan[1].Items[2] = float32(math.NaN())
	short := task(1, 2)
	short[0].Context = nil
	for what, try := range map[string]struct {
		cases []Case
		cfg   Config
		want  string
	}{
		"a number that is none": {nan, thorough, "case 1"},
		"missing context":       {short, thorough, "case 0"},
		"a bad config":          {task(1, 2), Config{Epochs: -1}, "mixer.epochs -1"},
		"a negative target":     {[]Case{{Context: make([]float32, 2), Items: make([]float32, 3), Targets: []float32{-1}}}, thorough, "case 0"},
	} {
		if _, _, err := Fit(try.cases, try.cfg, start, 1); err == nil || !strings.Contains(err.Error(), try.want) {
			t.Errorf("%s: error %v, want one with %q", what, err, try.want)
		}
	}
}

func TestFit_needsAStart(t *testing.T) {
	if _, _, err := Fit(task(1, 2), thorough, nil, 1); err == nil {
		t.Error("a fit from nothing was accepted")
	}
}

func TestEffects_areWhatTheColumnsMove(t *testing.T) {
	m := linear(t, 2, -1, 0.5)
	out := make([]float64, 2)
	m.Effects([]float32{1, 1}, []float32{3, 4, 0}, [][]int{{0, 2}, {1}}, out)
	if out[0] != 6 || out[1] != -4 {
		t.Errorf("effects %v, want 6 and -4", out)
	}
}

func TestLinear_refusesWrongSizesAndNumbers(t *testing.T) {
	for _, w := range [][]float64{{1}, {1, 2, math.NaN()}, {1, 2, math.Inf(1)}} {
		if _, err := Linear(layout, w); err == nil {
			t.Errorf("%v was accepted", w)
		}
	}
	if _, err := Linear(Layout{Item: make([]string, MaxColumns+1)}, make([]float64, MaxColumns+1)); err == nil {
		t.Error("too many columns were accepted")
	}
}

func TestConfig_Validate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{Hidden: 65, Hidden2: -1, Workers: 3, Epochs: 0, Batch: 0, Rate: math.NaN(), Pull: -1}.Validate()
	for _, want := range []string{"hidden 65", "epochs 0", "hidden2 -1", "workers 3", "online.every 0", "online.warm 0", "online.rate 0", "batch 0", "rate NaN", "pull -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %q", err, want)
		}
	}
}

func mustLinear(tb testing.TB) *Mixer {
	m, err := Linear(layout, []float64{1, 1, 1})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}
