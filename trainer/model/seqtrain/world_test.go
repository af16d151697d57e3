package seqtrain

import (
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/sequence"
)

// small is a network that trains in milliseconds.
var small = sequence.Config{Dim: 16, Layers: 2, Heads: 2, MaxLen: 8, FF: 16, Dropout: 0.1}

func smallTraining() Config {
	c := DefaultConfig()
	c.Batch, c.LearningRate, c.Workers = 8, 0.01, 2
	return c
}

// onBackends runs a test on the Go backend and, where a plugin is at hand, on XLA.
func onBackends(t *testing.T, test func(t *testing.T, be compute.Backend)) {
	t.Helper()
	t.Run("go", func(t *testing.T) { test(t, goBackend(t)) })
	t.Run("xla", func(t *testing.T) {
		be, info, err := backend.Open(backend.DefaultConfig(), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(be.Finalize)
		if info.Name != "xla" {
			t.Skipf("no XLA here: %s; %s names a plugin", info.Reason, backend.EnvPlugin)
		}
		test(t, be)
	})
}

// goBackend opens the pure-Go backend. Its matrix products walk memory by uintptr, which is sound (the buffers do not
// move and outlive the walk) but which the pointer checks that come with -race end the process for; its tag no_unsafe does not
// build at v0.1.2. So a race run must leave that one module unchecked.
func goBackend(t testing.TB) compute.Backend {
	t.Helper()
	if info, ok := debug.ReadBuildInfo(); raceEnabled && ok {
		unchecked := slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool {
			return s.Key == "-gcflags" && strings.Contains(s.Value, "checkptr=0")
		})
		if !unchecked {
			t.Skip("gomlx's Go backend cannot run under -race without -gcflags='github.com/gomlx/compute/...=-d=checkptr=0'")
		}
	}
	cfg := backend.DefaultConfig()
	cfg.Plugin = backend.None
	be, _, err := backend.Open(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(be.Finalize)
	return be
}

// skipRaced skips a test under the race detector, which slows tensor maths ten times and more: here one goroutine computes, and
// TestRound_endToEnd races the same graphs.
func skipRaced(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("not under the race detector: one goroutine computes; TestRound_endToEnd races the same graphs")
	}
}

// chain is a world in which each item is followed by one of two others, more often the first. Nobody can do better than name both, and
// all items are about as popular.
type chain struct{ vocab int }

func (c chain) next(item int32, rng *rand.Rand) int32 {
	step := int32(1)
	if rng.Float64() < 0.2 {
		step = 7
	}
	return 1 + (item-1+step)%int32(c.vocab-1)
}

func (c chain) data(examples, cases int, seed uint64) Data {
	rng := rand.New(rand.NewPCG(seed, 1))
	walk := func(n int) []int32 {
		w := []int32{1 + rng.Int32N(int32(c.vocab-1))}
		for len(w) < n {
			w = append(w, c.next(w[len(w)-1], rng))
		}
		return w
	}
	var d Data
	for range examples {
		w := walk(2 + rng.IntN(small.MaxLen))
		d.Train = append(d.Train, Example{Items: w[:len(w)-1], Targets: slices.Clone(w[1:])})
	}
	for range cases {
		w := walk(3 + rng.IntN(2*small.MaxLen))
		d.Validation = append(d.Validation, Case{History: w[:len(w)-1], Targets: w[len(w)-1:]})
	}
	return d
}

func weights(t testing.TB, cfg sequence.Config, vocab int, seed uint64) *sequence.Weights {
	t.Helper()
	w, err := sequence.NewWeights(cfg, vocab, seed)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newLearner(t testing.TB, be compute.Backend, cfg Config, w *sequence.Weights, data Data) *Learner {
	t.Helper()
	l, err := New(be, cfg, w, data, 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.engine.Close)
	return l
}

// onGraph makes a learner compute its steps with gomlx on every backend.
func onGraph(l *Learner) *Learner {
	graphOnly(l.engine)
	return l
}

func graphOnly(e *Engine) { e.native, e.execute = nil, call }
