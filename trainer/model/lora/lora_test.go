package lora

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

var twoModules = []Module{{Name: "layer.0.query", In: 6, Out: 4}, {Name: "layer.0.value", In: 6, Out: 3}}

func filled(t testing.TB, cfg Config) *Adapter {
	t.Helper()
	a, err := New(cfg, twoModules, 7)
	if err != nil {
		t.Fatal(err)
	}
	n := float32(0)
	for _, f := range a.Flat() {
		for i := range f {
			n++
			f[i] = n / 16
		}
	}
	return a
}

func low() Config {
	return Config{Rank: 2, Alpha: 4, Dropout: 0.1, Targets: []string{"query", "value"}}
}

func TestNew_zeroUpdateAndSeed(t *testing.T) {
	a, err := New(low(), twoModules, 1)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := New(low(), twoModules, 1)
	c, _ := New(low(), twoModules, 2)
	bound := float32(1 / math.Sqrt(6))
	for i := range a.A {
		if !slices.Equal(a.A[i], b.A[i]) || slices.Equal(a.A[i], c.A[i]) {
			t.Errorf("module %d: the same seed must give the same values and another seed others", i)
		}
		if slices.Max(a.A[i]) > bound || slices.Min(a.A[i]) < -bound {
			t.Errorf("module %d: values beyond %v", i, bound)
		}
		if slices.ContainsFunc(a.B[i], func(v float32) bool { return v != 0 }) {
			t.Errorf("module %d: B is not zero", i)
		}
	}
	if got := a.Config.Scaling(); got != 2 {
		t.Errorf("scaling %v: want alpha/rank = 2", got)
	}
}

func TestFlat_orderAndShapes(t *testing.T) {
	for _, cfg := range []Config{low(), {Full: true}} {
		a := filled(t, cfg)
		flat, shapes := a.Flat(), a.Shapes()
		if len(flat) != len(shapes) {
			t.Fatalf("full %v: %d tensors, %d shapes", cfg.Full, len(flat), len(shapes))
		}
		for i := range flat {
			if len(flat[i]) != shapes[i][0]*shapes[i][1] {
				t.Errorf("full %v: tensor %d has %d values for shape %v", cfg.Full, i, len(flat[i]), shapes[i])
			}
		}
		if &flat[0][0] != &a.A[0][0] {
			t.Errorf("full %v: Flat copies", cfg.Full)
		}
		if !cfg.Full && &flat[1][0] != &a.B[0][0] {
			t.Error("the second tensor is not the first B")
		}
	}
}

func TestClone_sharesNothing(t *testing.T) {
	a := filled(t, low())
	before, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	c := a.Clone()
	c.A[0][0], c.B[1][0], c.Config.Targets[0], c.Modules[0].Name = 99, 99, "x", "x"
	after, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("a change of the clone shows in the original")
	}
}

func TestScale(t *testing.T) {
	for _, cfg := range []Config{low(), {Full: true}} {
		a := filled(t, cfg)
		want := a.Clone()
		a.Scale(0.5)
		part, old := a.B, want.B
		if cfg.Full {
			part, old = a.A, want.A
		} else if !slices.Equal(a.A[0], want.A[0]) {
			t.Error("A was scaled too: the update would shrink by the square")
		}
		if part[0][1] != old[0][1]/2 {
			t.Errorf("full %v: %v: want %v", cfg.Full, part[0][1], old[0][1]/2)
		}
	}
}

func TestFits_namesWhatIsWrong(t *testing.T) {
	a := filled(t, low())
	if err := a.Fits(append([]Module{{Name: "other", In: 1, Out: 1}}, twoModules...)); err != nil {
		t.Error(err)
	}
	if err := a.Fits(twoModules[:1]); err == nil || !strings.Contains(err.Error(), "layer.0.value") {
		t.Errorf("missing module: %v", err)
	}
	other := slices.Clone(twoModules)
	other[1].In = 5
	if err := a.Fits(other); err == nil || !strings.Contains(err.Error(), "3 x 6") {
		t.Errorf("other width: %v", err)
	}
}

func TestConfig_faultsAreNamed(t *testing.T) {
	err := Config{Rank: 0, Alpha: -1, Dropout: 1, Targets: []string{""}}.Validate()
	for _, field := range []string{"lora.rank 0", "lora.alpha -1", "lora.dropout 1", "lora.targets"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v: want it to name %q", err, field)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	if err := DefaultAdamWConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestNew_refusesModules(t *testing.T) {
	for name, modules := range map[string][]Module{
		"none": nil, "twice": {{"a", 1, 1}, {"a", 1, 1}}, "unnamed": {{"", 1, 1}}, "empty side": {{"a", 0, 1}}, "huge": {{"a", 1 << 30, 1}},
	} {
		if _, err := New(low(), modules, 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCodec_roundTrip(t *testing.T) {
	for _, cfg := range []Config{low(), {Full: true}} {
		a := filled(t, cfg)
		data, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		b, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, again) || !b.Config.equal(a.Config) || !slices.Equal(a.Modules, b.Modules) {
			t.Errorf("full %v: the adapter came back changed", cfg.Full)
		}
	}
}

func TestDecode_refuses(t *testing.T) {
	data, err := filled(t, low()).Encode()
	if err != nil {
		t.Fatal(err)
	}
	nan := slices.Clone(data)
	copy(nan[len(nan)-4:], []byte{0, 0, 0xc0, 0x7f})
	for name, bad := range map[string][]byte{
		"empty": nil, "magic": append([]byte("X"), data[1:]...), "short": data[:len(data)-1], "long": append(slices.Clone(data), 0, 0, 0, 0), "nan": nan,
		"header": append(slices.Clone(data[:8]), 0xff, 0xff, 0xff, 0xff),
	} {
		if _, err := Decode(bad); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v: want ErrFormat", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, cfg := range []Config{low(), {Full: true}} {
		data, err := filled(f, cfg).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("%v does not wrap ErrFormat", err)
			}
			return
		}
		again, err := a.Encode()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		b, err := Decode(again)
		if err != nil || !b.Config.equal(a.Config) {
			t.Fatalf("second reading: %v", err)
		}
	})
}
