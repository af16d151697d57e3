package lora

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Module is a linear layer that carries an update, W x + scaling * B (A x), or with Config.Full a whole tensor.
type Module struct {
	// Name is the layer's path in the checkpoint without ".weight", such as "encoder.layer.0.attention.self.query".
	// With Config.Full it is the tensor's whole name.
	Name string
	// In and Out are the layer's widths. With Config.Full they are the tensor's: Out rows of In values, a vector
	// being one row.
	In, Out int
}

// Adapter is the trainable part of a model. Its zero update is the base model itself.
type Adapter struct {
	Config  Config
	Modules []Module
	// A and B are the factors by module: A is Rank x In and B is Out x Rank, both row-major. With Config.Full, A is
	// what is added to the tensor, Out x In, and B is empty.
	A, B [][]float32
}

// New makes an adapter whose update is zero: A is drawn as PEFT draws it (kaiming-uniform with a = sqrt 5, which is
// uniform within 1/sqrt(In)), B is 0. With Full everything is 0.
func New(cfg Config, modules []Module, seed uint64) (*Adapter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := checkModules(modules); err != nil {
		return nil, err
	}
	a := blank(cfg, modules)
	if cfg.Full {
		return a, nil
	}
	rng := rand.New(rand.NewPCG(seed, 0x10a))
	for i, m := range modules {
		bound := 1 / math.Sqrt(float64(m.In))
		for j := range a.A[i] {
			a.A[i][j] = float32((2*rng.Float64() - 1) * bound)
		}
	}
	return a, nil
}

// blank is an adapter of zeros.
func blank(cfg Config, modules []Module) *Adapter {
	a := &Adapter{Config: cfg.clone(), Modules: slices.Clone(modules), A: make([][]float32, len(modules)), B: make([][]float32, len(modules))}
	for i, m := range modules {
		na, nb := cfg.sizes(m)
		a.A[i], a.B[i] = make([]float32, na), make([]float32, nb)
	}
	return a
}

// sizes are the lengths of a module's A and B.
func (c Config) sizes(m Module) (a, b int) {
	if c.Full {
		return m.In * m.Out, 0
	}
	return c.Rank * m.In, m.Out * c.Rank
}

// maxSide bounds the widths of a module, so that no product of sizes overflows.
const maxSide = 1 << 24

func checkModules(modules []Module) error {
	if len(modules) == 0 {
		return fmt.Errorf("lora: no modules to adapt")
	}
	seen := make(map[string]bool, len(modules))
	for _, m := range modules {
		if m.Name == "" || seen[m.Name] {
			return fmt.Errorf("lora: module name %q is empty or given twice", m.Name)
		}
		seen[m.Name] = true
		if m.In < 1 || m.Out < 1 || m.In > maxSide || m.Out > maxSide {
			return fmt.Errorf("lora: module %q is %d x %d: want sides of 1 to %d", m.Name, m.Out, m.In, maxSide)
		}
	}
	return nil
}

// Clone is a copy that shares nothing.
func (a *Adapter) Clone() *Adapter {
	c := blank(a.Config, a.Modules)
	for i, t := range c.Flat() {
		copy(t, a.Flat()[i])
	}
	return c
}

// Flat lists the trainable tensors in their fixed order, A0, B0, A1, B1, ... (with Config.Full A0, A1, ...). The slices
// are the adapter's own.
func (a *Adapter) Flat() [][]float32 {
	out := make([][]float32, 0, 2*len(a.A))
	for i := range a.A {
		out = append(out, a.A[i])
		if !a.Config.Full {
			out = append(out, a.B[i])
		}
	}
	return out
}

// Shapes are the rows and columns of Flat's tensors, in its order.
func (a *Adapter) Shapes() [][2]int { return a.Config.Shapes(a.Modules) }

// Shapes are the rows and columns of the tensors that an adapter of these modules trains, in the order of Adapter.Flat.
func (c Config) Shapes(modules []Module) [][2]int {
	out := make([][2]int, 0, 2*len(modules))
	for _, m := range modules {
		if c.Full {
			out = append(out, [2]int{m.Out, m.In})
			continue
		}
		out = append(out, [2]int{c.Rank, m.In}, [2]int{m.Out, c.Rank})
	}
	return out
}

// Parameters is the number of trainable values.
func (a *Adapter) Parameters() int {
	n := 0
	for _, t := range a.Flat() {
		n += len(t)
	}
	return n
}

// Scale multiplies the update by factor: 0 gives the base model back, 1 changes nothing. With low rank only B is
// scaled, so that A keeps its size for later training.
func (a *Adapter) Scale(factor float64) {
	parts := a.B
	if a.Config.Full {
		parts = a.A
	}
	for _, t := range parts {
		for i := range t {
			t[i] *= float32(factor)
		}
	}
}

// Check reports an adapter whose tensors do not have the sizes its modules ask for, or hold a value that is not finite.
func (a *Adapter) Check() error {
	if err := a.Config.Validate(); err != nil {
		return err
	}
	if err := checkModules(a.Modules); err != nil {
		return err
	}
	if len(a.A) != len(a.Modules) || len(a.B) != len(a.Modules) {
		return fmt.Errorf("lora: %d modules but %d and %d factors", len(a.Modules), len(a.A), len(a.B))
	}
	for i, m := range a.Modules {
		na, nb := a.Config.sizes(m)
		if len(a.A[i]) != na || len(a.B[i]) != nb {
			return fmt.Errorf("lora: module %q holds %d and %d values: want %d and %d", m.Name, len(a.A[i]), len(a.B[i]), na, nb)
		}
	}
	for i, t := range a.Flat() {
		for _, v := range t {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return fmt.Errorf("lora: tensor %d holds the value %v", i, v)
			}
		}
	}
	return nil
}

// Fits reports why the adapter cannot be used on a model that offers modules, nil where it can: every module of the
// adapter must be there with the same widths.
func (a *Adapter) Fits(modules []Module) error {
	have := make(map[string]Module, len(modules))
	for _, m := range modules {
		have[m.Name] = m
	}
	for _, m := range a.Modules {
		o, ok := have[m.Name]
		if !ok {
			return fmt.Errorf("lora: the model has no module %q", m.Name)
		}
		if o != m {
			return fmt.Errorf("lora: module %q is %d x %d in the adapter, %d x %d in the model", m.Name, m.Out, m.In, o.Out, o.In)
		}
	}
	return nil
}
