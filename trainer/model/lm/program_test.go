package lm

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
)

// squares is a program whose loss is the mean square of the hidden states. Data: ids, mask, seed.
func squares(t testing.TB, b *Base, lc lora.Config, mods []lora.Module) *Program {
	t.Helper()
	p, err := b.Program("squares", &lc, mods, func(m *Model, data []*graph.Node) []*graph.Node {
		m.Dropout(lc.Dropout, data[2])
		loss := graph.ReduceAllMean(graph.Square(float(m.Hidden(data[0], data[1]))))
		return append([]*graph.Node{loss}, graph.Gradient(loss, m.Trainable()...)...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run returns loss and gradients of squares.
func run(t testing.TB, p *Program, a *lora.Adapter, seed int32) [][]float32 {
	t.Helper()
	in := readJSON[inputs](t, fixture("bert", "expected.json"))
	data := append(in.tensors(), tensors.FromScalar(seed))
	defer free(data)
	var out [][]float32
	if err := p.Run(background, a, data, func(_ int, v []float32) { out = append(out, slices.Clone(v)) }); err != nil {
		t.Fatal(err)
	}
	return out
}

func newAdapter(t testing.TB, b *Base, cfg lora.Config) *lora.Adapter {
	t.Helper()
	mods := b.Tensors()
	if !cfg.Full {
		var err error
		if mods, err = b.Modules(cfg.Targets); err != nil {
			t.Fatal(err)
		}
	}
	a, err := lora.New(cfg, mods, 3)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func equalBits(a, b [][]float32) bool { return slices.EqualFunc(a, b, slices.Equal[[]float32]) }

func TestDropout_bits(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		b := load(t, be, fixture("bert"), Options{})
		cfg := lora.DefaultConfig()
		cfg.Dropout = 0.3
		a := newAdapter(t, b, cfg)
		for i := range a.B {
			for j := range a.B[i] {
				a.B[i][j] = float32(j%7-3) / 10
			}
		}
		p := squares(t, b, cfg, a.Modules)
		first := run(t, p, a, 1)
		if !equalBits(first, run(t, p, a, 1)) {
			t.Error("the same seed gave other bits")
		}
		if equalBits(first, run(t, p, a, 2)) {
			t.Error("another seed gave the same bits")
		}
		b.Close()
	})
}

func TestDropout_share(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		x := make([]float32, 1<<17)
		for i := range x {
			x[i] = 1
		}
		out, err := graph.CallOnceN(be, func(x, seed *graph.Node) []*graph.Node {
			m := &Model{}
			m.Dropout(0.2, seed)
			return []*graph.Node{m.dropped(x), m.dropped(graph.MulScalar(x, 1))}
		}, tensors.FromFlatDataAndDimensions(x, 256, 512), int32(7))
		if err != nil {
			t.Fatal(err)
		}
		masks := [2][]float32{tensors.MustCopyFlatData[float32](out[0]), tensors.MustCopyFlatData[float32](out[1])}
		var zeros, both float64
		for i, v := range masks[0] {
			if v != 0 && math.Abs(float64(v)-1.25) > 1e-6 {
				t.Fatalf("value %v: want 0 or 1.25", v)
			}
			if v == 0 {
				zeros++
				if masks[1][i] == 0 {
					both++
				}
			}
		}
		if s := zeros / float64(len(x)); math.Abs(s-0.2) > 0.005 {
			t.Errorf("share of zeros %v, want 0.2", s)
		}
		if s := both / float64(len(x)); math.Abs(s-0.04) > 0.003 {
			t.Errorf("two layers drop the same place with share %v, want 0.04", s)
		}
	})
}

// A nil and a fresh adapter are the base model, low-rank or whole.
func TestAdapter_zeroIsBase(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		b := load(t, be, fixture("bert"), Options{})
		in := readJSON[inputs](t, fixture("bert", "expected.json"))
		want := hidden(t, b, nil, in)
		for _, cfg := range []lora.Config{lora.DefaultConfig(), {Full: true}} {
			near(t, "fresh adapter", hidden(t, b, newAdapter(t, b, cfg), in), want, 1e-5)
		}
	})
}

// The gradient of a whole weight is the slope of the loss, for a matrix, a table and a vector.
func TestFull_gradient(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		b := load(t, be, fixture("bert"), Options{})
		a := newAdapter(t, b, lora.Config{Full: true})
		p := squares(t, b, a.Config, a.Modules)
		grads := run(t, p, a, 0)[1:]
		for _, name := range []string{"encoder.layer.1.output.LayerNorm.weight", "encoder.layer.1.intermediate.dense.weight", "embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight"} {
			i := slices.IndexFunc(a.Modules, func(m lora.Module) bool { return m.Name == name })
			steep, g := 0, grads[i]
			for k := range g {
				if math.Abs(float64(g[k])) > math.Abs(float64(g[steep])) {
					steep = k
				}
			}
			const h = 2e-3
			var loss [2]float64
			for s, d := range []float32{h, -h} {
				a.A[i][steep] = d
				loss[s] = float64(run(t, p, a, 0)[0][0])
			}
			a.A[i][steep] = 0
			slope := (loss[0] - loss[1]) / (2 * h)
			if math.Abs(slope-float64(g[steep])) > 0.05*math.Abs(slope)+1e-4 {
				t.Errorf("%s: gradient %v, slope %v", name, g[steep], slope)
			}
		}
	})
}

func TestCheckpoint_sameGradients(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		var grads [2][][]float32
		for i, o := range []Options{{}, {Checkpoint: true}} {
			b := load(t, be, fixture("bert"), o)
			a := newAdapter(t, b, lora.DefaultConfig())
			grads[i] = run(t, squares(t, b, a.Config, a.Modules), a, 5)
		}
		for k := range grads[0] {
			near(t, "gradient", grads[1][k], grads[0][k], 1e-5)
		}
	})
}

// Several programs of one base run at once and give what they give alone.
func TestRun_concurrent(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		b := load(t, be, fixture("bert"), Options{})
		a := newAdapter(t, b, lora.DefaultConfig())
		p := squares(t, b, a.Config, a.Modules)
		in := readJSON[inputs](t, fixture("bert", "expected.json"))
		want, vectors := run(t, p, a, 1), hidden(t, b, nil, in)
		var wait sync.WaitGroup
		for range 3 {
			wait.Go(func() {
				if !equalBits(run(t, p, a, 1), want) {
					t.Error("a step beside others gave other bits")
				}
			})
			wait.Go(func() {
				if !slices.Equal(hidden(t, b, nil, in), vectors) {
					t.Error("a forward pass beside others gave other bits")
				}
			})
		}
		wait.Wait()
	})
}

// The weights are on the device already: a program that uses none of them costs no copy of them.
func TestCall_keepsOnDevice(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		b := load(t, be, fixture("bert"), Options{})
		for i, w := range b.weights {
			if !w.IsOnDevice(0) {
				t.Errorf("%s is not on the device", b.specs[i].name)
			}
		}
		p, err := b.Program("twice", nil, nil, func(_ *Model, data []*graph.Node) []*graph.Node {
			return []*graph.Node{graph.MulScalar(data[0], 2)}
		})
		if err != nil {
			t.Fatal(err)
		}
		x := []*tensors.Tensor{tensors.FromScalar(float32(3))}
		kept, err := p.Call(background, nil, x)
		if err != nil {
			t.Fatal(err)
		}
		if got := output(t, p, nil, kept); got[0] != 12 {
			t.Errorf("two calls gave %v, want 12", got)
		}
		free(x)
		b.Close()
		if err := p.Run(background, nil, nil, nil); !errors.Is(err, errClosed) {
			t.Errorf("after Close: %v", err)
		}
		b.Close()
	})
}

func TestRun_faults(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		b := load(t, be, fixture("bert"), Options{})
		broken, err := b.Program("broken", nil, nil, func(m *Model, data []*graph.Node) []*graph.Node {
			return []*graph.Node{m.weight("nowhere")}
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := broken.Run(background, nil, nil, nil); err == nil || !strings.Contains(err.Error(), `"nowhere"`) {
			t.Errorf("error %v: want one that names the tensor", err)
		}
		ctx, cancel := context.WithCancel(background)
		cancel()
		if err := broken.Run(ctx, nil, nil, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v: want one of the context", err)
		}
		if _, err := b.Modules([]string{"nothing"}); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
			t.Errorf("error %v: want one that names the target", err)
		}
		cfg := lora.DefaultConfig()
		if _, err := b.Program("x", &cfg, []lora.Module{{Name: "no.such", In: 32, Out: 32}}, nil); err == nil || !strings.Contains(err.Error(), "no.such") {
			t.Errorf("error %v: want one that names the module", err)
		}
	})
}

// A run that hangs makes the base unusable and says so; nothing waits for it.
func TestRun_stuck(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		b := load(t, be, fixture("bert"), Options{StepTimeout: time.Second})
		p := squares(t, b, lora.DefaultConfig(), newAdapter(t, b, lora.DefaultConfig()).Modules)
		release := make(chan struct{})
		p.execute = func(*lora.Adapter, []*tensors.Tensor, func([]*tensors.Tensor) error) error {
			<-release
			return nil
		}
		if err := p.Run(background, nil, nil, nil); !errors.Is(err, ErrStuck) {
			t.Errorf("error %v, want ErrStuck", err)
		}
		if err := p.Run(background, nil, nil, nil); !errors.Is(err, ErrStuck) {
			t.Errorf("second error %v, want ErrStuck", err)
		}
		close(release)
		b.stuck.Store(false) // so that the test can clean up
	})
}

// Many short requests do not make a warm full batch stuck that takes more than a minute, as it did before; they keep their own short limit.
func TestLimit_isNotSetByShorterShapes(t *testing.T) {
	p := &Program{base: &Base{}, warm: map[string]bool{}}
	ran := func(shape string, d time.Duration) {
		warm, limit, _ := p.limit(shape)
		if d > limit {
			t.Fatalf("a run of %s took %v: the limit is %v", shape, d, limit)
		}
		p.took(shape, warm, d)
	}
	ran("full", 95*time.Second) // compiling included
	for range 3 {
		for range 200 {
			ran("row", 50*time.Millisecond)
		}
		if warm, limit, _ := p.limit("row"); !warm || limit != time.Minute {
			t.Errorf("limit %v of one row, warm %v: want a minute", limit, warm)
		}
		ran("full", 70*time.Second)
	}
}

// A process that was stopped wakes to one tick, whatever the clock says, and then to its answer.
func TestAwait_aStoppedProcessIsNotStuck(t *testing.T) {
	ticks, done := make(chan time.Time), make(chan error)
	go func() {
		ticks <- time.Now().Add(time.Hour)
		done <- context.Canceled
	}()
	if answered, err := await(done, ticks); !answered || !errors.Is(err, context.Canceled) {
		t.Errorf("answered %v, error %v: want the run's own", answered, err)
	}
	go func() {
		for range limitTicks {
			ticks <- time.Time{}
		}
	}()
	if answered, _ := await(done, ticks); answered {
		t.Error("a run without an answer was not given up")
	}
}
