package seqtrain

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// stepped is what a learner's step gives for a batch: losses and gradients by tensor.
func stepped(t *testing.T, l *Learner, lambda float64) (losses []float64, grads [][]float32) {
	t.Helper()
	l.easy = make([]int32, len(l.prompts))
	for i := range l.easy {
		l.easy[i] = int32(1 + i*7%(l.weights.Vocab()-1))
	}
	rng := rand.New(rand.NewPCG(8, 8))
	rows := pack(l.seqs, l.weights.Config().MaxLen, rng)
	b := l.assemble(rows, len(rows)+2, &passState{lambda: lambda, easy: l.easy}, rng)
	s, loss, live, err := l.gradients(background, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range live {
		grads = append(grads, slices.Clone(g))
	}
	return []float64{s.real, s.easy, loss}, grads
}

// nativeWorlds are shapes with one and more layers and heads, longer than a tile and shorter.
func nativeWorlds() []sequence.Config {
	return []sequence.Config{
		{Dim: 8, Layers: 1, Heads: 1, MaxLen: 5, FF: 6},
		{Dim: 12, Layers: 2, Heads: 3, MaxLen: 9, FF: 16, Dropout: 0.3},
		{Dim: 72, Layers: 1, Heads: 2, MaxLen: 150, FF: 200, Dropout: 0.2},
	}
}

// examples are of every kind: as long as a row, short ones that are packed together, and positions without a target.
func examples(cfg sequence.Config, vocab int) Data {
	rng := rand.New(rand.NewPCG(5, 5))
	var d Data
	for i := range 9 {
		n := cfg.MaxLen
		if i > 2 {
			n = 1 + rng.IntN(cfg.MaxLen)
		}
		ex := Example{Items: make([]int32, n), Targets: make([]int32, n)}
		for j := range n {
			ex.Items[j] = 1 + rng.Int32N(int32(vocab-1))
			if rng.Float64() < 0.7 || j == 0 {
				ex.Targets[j] = 1 + rng.Int32N(int32(vocab-1))
			}
		}
		d.Train = append(d.Train, ex)
	}
	return d
}

// TestNative_isTheGraph: the step in Go and gomlx's give the same losses and gradients, with a sampled and with the exact softmax.
func TestNative_isTheGraph(t *testing.T) {
	skipRaced(t)
	const vocab = 300
	be := goBackend(t)
	for _, cfg := range nativeWorlds() {
		for _, full := range []int{0, 1000} {
			t.Run(fmt.Sprintf("dim %d full %d", cfg.Dim, full), func(t *testing.T) {
				train := smallTraining()
				train.Negatives, train.FullSoftmax = 40, full
				w := weights(t, cfg, vocab, 2)
				rng := rand.New(rand.NewPCG(4, 4))
				for _, tn := range w.Tensors() { // away from where training starts
					for i := range tn.Data {
						tn.Data[i] += float32(rng.NormFloat64() * 0.05)
					}
				}
				native := newLearner(t, be, train, w, examples(cfg, vocab))
				if native.engine.native == nil {
					t.Fatal("the pure-Go backend computes with gomlx")
				}
				gotLosses, got := stepped(t, native, 0.4)
				wantLosses, want := stepped(t, onGraph(newLearner(t, be, train, w, examples(cfg, vocab))), 0.4)
				for i, v := range wantLosses {
					if math.Abs(gotLosses[i]-v) > 1e-5*math.Abs(v) {
						t.Errorf("loss %d is %v, the graph's %v", i, gotLosses[i], v)
					}
				}
				for i, g := range want {
					if apart := distance(got[i], g); apart > 1e-4 {
						t.Errorf("gradients of %s are %v of their length apart", w.Tensors()[i].Name, apart)
					}
				}
			})
		}
	}
}

// distance of two vectors, as a share of the length of the second.
func distance(a, b []float32) float64 {
	var diff, length float64
	for i, v := range b {
		diff += math.Pow(float64(a[i]-v), 2)
		length += math.Pow(float64(v), 2)
	}
	return math.Sqrt(diff / max(length, math.SmallestNonzeroFloat64))
}

// TestNative_anyWorkers: the number of goroutines changes no bit.
func TestNative_anyWorkers(t *testing.T) {
	const vocab = 200
	cfg := nativeWorlds()[1]
	trained := func(workers int) string {
		train := smallTraining()
		train.Workers, train.FullSoftmax, train.Negatives = workers, 0, 30
		l := newLearner(t, goBackend(t), train, weights(t, cfg, vocab, 1), examples(cfg, vocab))
		for e := range 3 {
			p := pass(0, 1)
			p.Epoch = e
			if _, err := l.Train(background, p); err != nil {
				t.Fatal(err)
			}
		}
		return bits(t, l.Weights())
	}
	one := trained(1)
	for _, workers := range []int{2, 3, 20} {
		if trained(workers) != one {
			t.Errorf("%d goroutines give other weights than one", workers)
		}
	}
}

func TestCrossEntropy_ends(t *testing.T) {
	for _, c := range []struct{ s, sum, own, want float64 }{
		{0, 3, 1, math.Log(4)},          // beside three others
		{200, 3, 1, 0},                  // far above all
		{-200, 3, 1, math.Log(3) + 200}, // far below
	} {
		if got, _, _ := crossEntropy(float32(c.s), float32(c.sum), float32(c.own)); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if got, onSum, onLogit := crossEntropy(0, 0.9999999, 0); got != 0 || onSum != 0 || onLogit != 0 {
		t.Errorf("a sum below its own term: %v, %v, %v", got, onSum, onLogit)
	}
	nan := float32(math.NaN())
	if got, _, _ := crossEntropy(nan, nan, 1); !math.IsNaN(got) {
		t.Errorf("a loss of NaN came out as %v", got)
	}
}
