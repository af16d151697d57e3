package lm

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/lora"
)

// Program is a graph function over the base, an adapter and data. It is compiled once per shape of the data, and never forgotten:
// callers keep the shapes few.
type Program struct {
	base *Base
	name string
	lc   *lora.Config
	mods []lora.Module
	exec *graph.Exec

	execute func(a *lora.Adapter, data []*tensors.Tensor, use func([]*tensors.Tensor) error) error // call, unless a test stands in

	mu   sync.Mutex
	mean time.Duration   // of a run, moving
	warm map[string]bool // shapes of data that ran, and whether quickly
}

// Program makes a program. lc and mods are those of the adapters it will run with; a nil lc means the frozen base, with
// lora.Config.Full mods are from Tensors, else from Modules. fn builds the graph for one set of data shapes; it is called
// from any goroutine and must not change what it closes over. Like all gomlx graph functions it reports faults by panic,
// which Run returns as errors.
func (b *Base) Program(name string, lc *lora.Config, mods []lora.Module, fn func(m *Model, data []*graph.Node) []*graph.Node) (*Program, error) {
	if lc == nil && len(mods) > 0 {
		return nil, fmt.Errorf("program %s: %d modules without a lora configuration", name, len(mods))
	}
	p := &Program{base: b, name: name, mods: slices.Clone(mods), warm: map[string]bool{}}
	if lc != nil {
		c := *lc
		p.lc = &c
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("program %s: %w", name, err)
		}
	}
	exec, err := graph.NewExec(b.backend, func(in []*graph.Node) []*graph.Node {
		m := p.model(in)
		return fn(m, in[len(b.specs)+len(m.trainable):])
	})
	if err != nil {
		return nil, fmt.Errorf("program %s: %w", name, err)
	}
	exec.SetMaxCache(-1)
	exec.WithName(name)
	p.exec, p.execute = exec, p.call
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return nil, fmt.Errorf("program %s: %w", name, errClosed)
	}
	b.list.Lock()
	defer b.list.Unlock()
	b.programs = append(b.programs, p)
	return p, nil
}

// check reports modules that the base does not have.
func (p *Program) check() error {
	if err := p.lc.Validate(); err != nil {
		return err
	}
	if len(p.mods) == 0 {
		return errors.New("no modules to adapt")
	}
	have := map[lora.Module]bool{}
	if p.lc.Full {
		for _, m := range p.base.Tensors() {
			have[m] = true
		}
	} else {
		for _, s := range p.base.specs {
			if s.linear() {
				have[lora.Module{Name: s.name[:len(s.name)-len(".weight")], In: s.shape[1], Out: s.shape[0]}] = true
			}
		}
	}
	for _, m := range p.mods {
		if !have[m] {
			return fmt.Errorf("module %q of %d x %d is not in the model", m.Name, m.Out, m.In)
		}
	}
	return nil
}

// model wraps the inputs of a graph: weights, then the adapter's tensors, then data.
func (p *Program) model(in []*graph.Node) *Model {
	b := p.base
	m := &Model{base: b, weights: in[:len(b.specs)], low: map[string]pair{}, full: map[string]*graph.Node{}}
	if p.lc == nil {
		return m
	}
	m.scale = p.lc.Scaling()
	at := len(b.specs)
	for _, mod := range p.mods {
		if p.lc.Full {
			m.full[mod.Name] = in[at]
			at++
			continue
		}
		m.low[mod.Name] = pair{in[at], in[at+1]}
		at += 2
	}
	m.trainable = in[len(b.specs):at]
	return m
}
