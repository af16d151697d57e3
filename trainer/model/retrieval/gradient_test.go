package retrieval

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/soft"
)

// variants are configurations whose loss graphs differ.
func variants() map[string]func(*Config) {
	return map[string]func(*Config){
		"plain":       func(*Config) {},
		"no mask":     func(c *Config) { c.MaskHistory = titles.LeaveOutNever },
		"answers":     func(c *Config) { c.Answers = 3 },
		"sampled":     func(c *Config) { c.Negatives = 12 },
		"item":        func(c *Config) { c.ItemAdapter = true },
		"micro":       func(c *Config) { c.MicroBatch = 3 },
		"all weights": func(c *Config) { c.LoRA.Full, c.ItemAdapter = true, true },
	}
}

// moved is a learner whose adapter is not at the zero update, where half of the gradients vanish.
func moved(t testing.TB, e *Engine, table *Table) *Learner {
	t.Helper()
	l := newLearner(t, e, table, 8)
	rng := rand.New(rand.NewPCG(4, 4))
	for _, f := range l.adapter.Flat() {
		for i := range f {
			f[i] += float32(0.05 * rng.NormFloat64())
		}
	}
	if _, err := l.Distil(background); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestGradients_equalFiniteDifferences of the loss, for a few values of every tensor.
func TestGradients_equalFiniteDifferences(t *testing.T) {
	lmtest.SkipRaced(t, "one goroutine computes")
	be := lmtest.Open(t, lmtest.Go)
	for name, change := range variants() {
		cfg := smallConfig()
		cfg.LoRA.Dropout, cfg.LoRA.Targets = 0, nil
		change(&cfg)
		e, _ := newEngine(t, be, tiny, cfg)
		l := moved(t, e, newTable(t, e))
		pass, err := l.passState(soft.Pass{Lambda: 0.3, Confidence: true})
		if err != nil {
			t.Fatal(err)
		}
		pt := part{prompts: []int{0, 1, 2, 3, 4, 5, 6}, length: 16}
		loss := func() (float64, [][]float32) {
			t.Helper()
			rng := rand.New(rand.NewPCG(1, 1))
			_, grads, err := l.gradients(background, pt, pass, rng)
			if err != nil {
				t.Fatal(err)
			}
			return weighted(t, l, pt, pass), grads
		}
		_, grads := loss()
		rng := rand.New(rand.NewPCG(2, 2))
		flat := l.adapter.Flat()
		for i, f := range flat {
			if len(flat) > 12 && i%7 != 0 && i < len(flat)-2 {
				continue
			}
			j := rng.IntN(len(f))
			for k := range grads[i] { // an entry that matters
				if math.Abs(float64(grads[i][k])) > math.Abs(float64(grads[i][j])) {
					j = k
				}
			}
			const eps = 3e-3
			old := f[j]
			f[j] = old + eps
			up := weighted(t, l, pt, pass)
			f[j] = old - eps
			down := weighted(t, l, pt, pass)
			f[j] = old
			want, got := (up-down)/(2*eps), float64(grads[i][j])
			if math.Abs(got-want) > 2e-3+0.03*math.Abs(want) {
				t.Errorf("%s, tensor %d[%d]: gradient %v, differences %v", name, i, j, got, want)
			}
		}
	}
}

// weighted is the loss whose gradient the step takes, from the cross-entropies it returns.
func weighted(t testing.TB, l *Learner, pt part, pass *passState) float64 {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	sample := l.sample(rng)
	size, sum := l.engine.cfg.micro(), 0.0
	for at := 0; at < len(pt.prompts); at += size {
		b := l.layOut(pt.prompts[at:min(at+size, len(pt.prompts))], len(pt.prompts), pass, sample, rng)
		program, err := l.engine.stepProgram(l.adapter, b.sample != nil)
		if err != nil {
			t.Fatal(err)
		}
		enc, head := Split(l.adapter)
		in, own := l.inputs(b, pt.length, head)
		err = program.Run(background, enc, in, func(out int, values []float32) {
			if out == outLosses {
				for i, v := range values {
					sum += float64(v) * float64(b.shares[i])
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range own {
			o.MustFinalizeAll()
		}
	}
	return sum
}

// TestLoss_isTheSoftmaxOverWhatIsAllowed computes the cross-entropies again in plain Go.
func TestLoss_isTheSoftmaxOverWhatIsAllowed(t *testing.T) {
	be := lmtest.Open(t, lmtest.Go)
	for _, mask := range []bool{true, false} {
		for _, item := range []bool{true, false} {
			cfg := smallConfig()
			cfg.LoRA.Dropout, cfg.MaskHistory, cfg.ItemAdapter = 0, titles.LeaveOutIf(mask), item
			e, _ := newEngine(t, be, tiny, cfg)
			l := moved(t, e, newTable(t, e))
			l.prompts[2].Target = l.prompts[2].History[0] // bought again: its own history must not mask it
			pt := part{prompts: []int{0, 1, 2, 3, 4}, length: 16}
			got, _, err := l.gradients(background, pt, &passState{}, rand.New(rand.NewPCG(1, 1)))
			if err != nil {
				t.Fatal(err)
			}
			enc, head := Split(l.adapter)
			vectors, err := e.enc.Encode(background, enc, l.texts[:5])
			if err != nil {
				t.Fatal(err)
			}
			want := 0.0
			for i, q := range vectors {
				want += crossEntropy(l, Project(head, q), l.prompts[i], mask)
			}
			if math.Abs(got.real-want) > 1e-3 {
				t.Errorf("mask %v, item adapter %v: loss %v: want %v", mask, item, got.real, want)
			}
		}
	}
}

// TestLoss_leavesOutTheWholePast: the softmax over the catalogue and that over a sample, here of all items, leave out what the user
// had before the shown history too, of any length: else D', whose answers leave it out, knows what fine-tuning does not.
func TestLoss_leavesOutTheWholePast(t *testing.T) {
	be := lmtest.Open(t, lmtest.Go)
	for _, mask := range []bool{true, false} {
		cfg := smallConfig()
		cfg.LoRA.Dropout, cfg.MaskHistory = 0, titles.LeaveOutIf(mask)
		e, _ := newEngine(t, be, tiny, cfg)
		table, prompts := newTable(t, e), walks(5, 1)
		for i := range prompts {
			for k := range int32(7 * i) { // up to 28 items, some twice, one without a title
				prompts[i].Before = append(prompts[i].Before, (prompts[i].Target+k+k%2)%items)
			}
		}
		l, err := e.Learner(nil, Data{Table: table, Train: prompts}, 3)
		if err != nil {
			t.Fatal(err)
		}
		vectors, err := e.enc.Encode(background, l.adapter, l.texts)
		if err != nil {
			t.Fatal(err)
		}
		for name, sample := range map[string][]int32{"whole catalogue": nil, "sample": l.rankable} {
			b := l.layOut([]int{0, 1, 2, 3, 4}, 5, &passState{}, sample, rand.New(rand.NewPCG(1, 1)))
			grads := make([][]float32, len(l.adapter.Flat()))
			for i, f := range l.adapter.Flat() {
				grads[i] = make([]float32, len(f))
			}
			got, err := l.run(background, b, 16, grads)
			if err != nil {
				t.Fatal(err)
			}
			want := 0.0
			for i, q := range vectors {
				want += crossEntropy(l, q, prompts[i], mask)
			}
			if math.Abs(got.real-want) > 1e-3 {
				t.Errorf("mask %v, %s: loss %v: want %v", mask, name, got.real, want)
			}
		}
	}
}

func crossEntropy(l *Learner, q []float32, p Prompt, mask bool) float64 {
	var sum, own float64
	for i := range l.table.items {
		hidden := false
		for _, h := range p.Past() {
			hidden = hidden || mask && int(h) == i && h != p.Target
		}
		if hidden || !l.table.titled[i] {
			continue
		}
		var s float64
		for j, v := range l.table.Vector(i) {
			s += float64(v) * float64(q[j])
		}
		s /= l.engine.cfg.Temperature
		sum += math.Exp(s)
		if i == int(p.Target) {
			own = s
		}
	}
	return math.Log(sum) - own
}

// TestSampledLoss_estimatesTheWhole: over many samples the estimate of the softmax's denominator is right on average.
func TestSampledLoss_estimatesTheWhole(t *testing.T) {
	lmtest.SkipRaced(t, "one goroutine computes")
	cfg := smallConfig()
	cfg.LoRA.Dropout, cfg.Negatives = 0, 25
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, cfg)
	l := moved(t, e, newTable(t, e))
	pt := part{prompts: []int{0, 1, 2, 3, 4, 5}, length: 16}
	mean := 0.0
	const draws = 30
	for seed := range uint64(draws) {
		got, _, err := l.gradients(background, pt, &passState{}, rand.New(rand.NewPCG(seed, 1)))
		if err != nil {
			t.Fatal(err)
		}
		mean += got.real / draws / 6
	}
	e.cfg.Negatives = 0
	whole, _, err := l.gradients(background, pt, &passState{}, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if want := whole.real / 6; math.Abs(mean-want) > 0.25 {
		t.Errorf("mean %v over samples: the whole catalogue gives %v", mean, want)
	}
}
