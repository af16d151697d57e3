package textlive

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/decoder"
	"github.com/softrec/softrec/trainer/model/generative"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
)

var background = context.Background()

// testdata are models of two layers of width 32 with random weights; ../lm/testdata/README.md describes them.
func testdata(name string) string { return filepath.Join("..", "lm", "testdata", name) }

// tinyMachine fits prompts into the 128 positions of the models of testdata.
func tinyMachine() MachineConfig {
	cfg := DefaultMachineConfig()
	p := &cfg.Generative.Prompt
	p.Instruction, p.Items, p.Pieces, p.MaxTokens = "", 4, 12, 96
	cfg.Retrieval.Render.Items = 4
	return cfg
}

// backends opens Go backends and finalises in the end those that nobody did.
type backends struct {
	opened []compute.Backend
	tries  int
	err    error
}

func (b *backends) open() (compute.Backend, error) {
	b.tries++
	if b.err != nil {
		return nil, b.err
	}
	cfg := backend.DefaultConfig()
	cfg.Plugin = backend.None
	be, _, err := backend.Open(cfg, nil)
	if err != nil {
		return nil, err
	}
	b.opened = append(b.opened, be)
	return be, nil
}

func newBackends(t testing.TB) *backends {
	t.Helper()
	lmtest.SkipChecked(t)
	b := &backends{}
	t.Cleanup(func() {
		for _, be := range b.opened {
			if !be.IsFinalized() {
				be.Finalize()
			}
		}
	})
	return b
}

func openTiny(t testing.TB, name string) *Machine {
	t.Helper()
	m, err := OpenMachine(testdata(name), newBackends(t).open, tinyMachine(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// shaken is an adapter whose update is not zero.
func shaken(t testing.TB, m *Machine, seed uint64) *lora.Adapter {
	t.Helper()
	e, err := m.Engine()
	if err != nil {
		t.Fatal(err)
	}
	a, err := e.Adapter(seed)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, b := range a.B {
		for i := range b {
			b[i] = float32(rng.NormFloat64())
		}
	}
	return a
}

func openOn(t testing.TB, cfg Config, m *Machine, shop *shelf) *Runtime {
	t.Helper()
	r, err := Open(cfg, m, shop, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	sync1(t, r)
	return r
}

func read1(t testing.TB, r *Runtime, a *lora.Adapter, h []schema.Interaction) map[string]float32 {
	t.Helper()
	readings, err := r.Read(background, a, [][]schema.Interaction{h})
	if err != nil {
		t.Fatal(err)
	}
	return said(r, readings[0])
}

// said is what a reading says about items, without those it says nothing about.
func said(r *Runtime, reading any) map[string]float32 {
	out := map[string]float32{}
	text := r.Score(reading)
	if text == nil {
		return out
	}
	for row, id := range text.IDs {
		if lp := text.LogProbs[row]; id != "" && !math.IsInf(float64(lp), -1) {
			out[id] = lp
		}
	}
	return out
}

func TestOpenMachine_refuses(t *testing.T) {
	b := newBackends(t)
	if _, err := OpenMachine(t.TempDir(), b.open, tinyMachine(), nil); err == nil {
		t.Error("an empty folder is a model")
	}
	cfg := tinyMachine()
	cfg.Decoder.Batch, cfg.Generative.Beams = 0, 0
	if _, err := OpenMachine(testdata("qwen2"), b.open, cfg, nil); err == nil || !strings.Contains(err.Error(), "decoder.batch") || !strings.Contains(err.Error(), "generative.beams") {
		t.Errorf("error %v, want both fields named", err)
	}
	cfg = tinyMachine()
	cfg.Generative.Prompt.MaxTokens = 500 // the model has 128 positions
	if _, err := OpenMachine(testdata("qwen2"), b.open, cfg, nil); err == nil {
		t.Error("prompts longer than the model's positions")
	}
	cfg = tinyMachine()
	cfg.Generative.Ranking = generative.RankGrounded
	if _, err := OpenMachine(testdata("qwen2"), b.open, cfg, nil); err == nil || !strings.Contains(err.Error(), `generative.ranking "grounded"`) {
		t.Errorf("error %v, want the ranking named that live lists do not have", err)
	}
	for _, be := range b.opened {
		if !be.IsFinalized() {
			t.Error("a backend without a model was left open")
		}
	}
	b.err = errBroken
	if _, err := OpenMachine(testdata("qwen2"), b.open, tinyMachine(), nil); !errors.Is(err, errBroken) {
		t.Errorf("error %v without a backend", err)
	}
}

// hanging is a family whose models fail with one error from one run on, as after a deadlock.
type hanging struct {
	family
	fault *error // what runs give instead of an answer, nil for nothing; a model loaded later is whole
}

func (h *hanging) load(be compute.Backend) (model, error) {
	m, err := h.family.load(be)
	if err != nil {
		return nil, err
	}
	h.fault = new(error)
	switch m := m.(type) {
	case *encoderModel:
		m.enc = faultyEncoder{m.enc, h.fault}
	case *decoderModel:
		m.gen = faultyWriter{m.gen, h.fault}
	}
	return m, nil
}

type faultyEncoder struct {
	Encoder
	fault *error
}

func (e faultyEncoder) Encode(ctx context.Context, a *lora.Adapter, texts [][]int32) ([][]float32, error) {
	if *e.fault != nil {
		return nil, *e.fault
	}
	return e.Encoder.Encode(ctx, a, texts)
}

type faultyWriter struct {
	Writer
	fault *error
}

func (w faultyWriter) Generate(ctx context.Context, a *lora.Adapter, prompts [][]int32, o decoder.Options) ([][]decoder.Beam, error) {
	if *w.fault != nil {
		return nil, *w.fault
	}
	return w.Writer.Generate(ctx, a, prompts, o)
}

// A model that hangs is loaded again on another backend and reads as before; other faults change nothing.
func TestMachine_replacesAStuckBackend(t *testing.T) {
	for _, name := range []string{"bert", "qwen2"} {
		t.Run(name, func(t *testing.T) {
			b := newBackends(t)
			whole := openTiny(t, name)
			h := &hanging{family: whole.family}
			m, err := newMachine(whole.name, whole.tok, h, b.open, nil)
			if err != nil {
				t.Fatal(err)
			}
			shop := &shelf{}
			for i := range 6 {
				shop.put(fmt.Sprint("i", i), fmt.Sprintf("thing %d", i))
			}
			r, hist := openOn(t, DefaultConfig(), m, shop), history("i2", "i4")
			want := read1(t, r, nil, hist)
			engine, err := m.Engine()
			if err != nil || len(want) == 0 {
				t.Fatal(want, err)
			}
			fails := func(fault error) {
				t.Helper()
				*h.fault = fault
				if _, err := r.Read(background, nil, [][]schema.Interaction{hist}); !errors.Is(err, fault) {
					t.Fatalf("error %v, want %v", err, fault)
				}
			}
			fails(errBroken)
			if same, err := m.Engine(); err != nil || same != engine || len(b.opened) != 1 {
				t.Fatalf("a common fault replaced the model, %v", err)
			}
			fails(fmt.Errorf("run: %w", lm.ErrStuck))
			clock := time.Now()
			m.now = func() time.Time { return clock }
			b.err, b.tries = errBroken, 0 // and for a while there is no other backend
			for range 20 {
				if _, err := r.Read(background, nil, [][]schema.Interaction{hist}); !errors.Is(err, errBroken) {
					t.Errorf("error %v without a backend", err)
				}
				clock = clock.Add(firstRest / 2)
			}
			if b.tries != 4 { // at once, and after 2, 6 and 14 of the 19 seconds
				t.Errorf("%d tries in 19 s, want 4", b.tries)
			}
			clock = clock.Add(mostRest)
			b.err = nil
			if got := read1(t, r, nil, hist); !reflect.DeepEqual(got, want) {
				t.Errorf("the new model says %v, the old one said %v", got, want)
			}
			if len(b.opened) != 2 || b.opened[0].IsFinalized() {
				t.Errorf("%d backends; the stuck one was finalised: %v", len(b.opened), b.opened[0].IsFinalized())
			}
			second, err := m.Engine()
			if err != nil || second == engine {
				t.Errorf("the engine is still the stuck one, %v", err)
			}
			m.Stuck(engine, lm.ErrStuck) // told late
			m.Stuck(second, errBroken)
			if e, _ := m.Engine(); e != second {
				t.Error("an old engine's error, or a common one, replaced the new engine")
			}
			m.Stuck(second, fmt.Errorf("train: %w", lm.ErrStuck))
			if e, err := m.Engine(); err != nil || e == second || len(b.opened) != 3 {
				t.Errorf("a stuck engine was not replaced, %v", err)
			}
			if err := m.Close(); err != nil || !b.opened[2].IsFinalized() || b.opened[1].IsFinalized() {
				t.Errorf("closed with %v; backends finalised: %v %v", err, b.opened[1].IsFinalized(), b.opened[2].IsFinalized())
			}
		})
	}
}

// A model that got stuck is read again, unless its files are another's by now.
func TestMachine_refusesFilesThatWereReplaced(t *testing.T) {
	b, dir := newBackends(t), t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(testdata("bert"))); err != nil {
		t.Fatal(err)
	}
	m, err := OpenMachine(dir, b.open, tinyMachine(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	stuck := func() {
		t.Helper()
		engine, err := m.Engine()
		if err != nil {
			t.Fatal(err)
		}
		m.Stuck(engine, lm.ErrStuck)
	}
	path := filepath.Join(dir, "model.safetensors")
	weights, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := slices.Clone(weights)
	other[len(other)-3] ^= 1
	stuck()
	if err := os.WriteFile(path, other, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Engine(); err == nil || !strings.Contains(err.Error(), "another model") {
		t.Errorf("error %v, want one that names the other model", err)
	}
	if err := os.WriteFile(path, weights, 0o600); err != nil {
		t.Fatal(err)
	}
	m.now = func() time.Time { return time.Now().Add(mostRest) }
	stuck()
	if _, err := m.Engine(); err != nil {
		t.Error(err)
	}
}
