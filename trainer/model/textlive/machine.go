package textlive

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// Machine is a language model on a backend: its weights, loaded once, with what reads and what trains on them. Where a run
// gets stuck, it gives the backend up and loads the model on a new one, for whoever comes next. It is safe for concurrent
// use.
type Machine struct {
	name   string
	tok    *tokens.Tokenizer
	family family
	open   func() (compute.Backend, error)
	log    *slog.Logger
	dir    string // of the files, which must be the same when they are read again; empty: not compared

	mu     sync.Mutex
	part   *part // nil while there is no backend
	now    func() time.Time
	fault  error         // why it could not be loaded the last time
	rest   time.Duration // until it is tried again
	rested time.Time     // when that is over
}

// The rests between two tries to load a model again: each reads all its files and takes a backend's memory, and every request would ask for one.
const (
	firstRest = 2 * time.Second
	mostRest  = time.Minute
)

// part is what one backend carries.
type part struct {
	backend compute.Backend
	model   model
}

// OpenMachine loads the model of a Hugging Face folder, an encoder or a decoder, on a backend that open opens; the Machine
// finalises it. A nil log is silent.
func OpenMachine(dir string, open func() (compute.Backend, error), cfg MachineConfig, log *slog.Logger) (*Machine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	files, err := hf.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open language model: %w", err)
	}
	name, err := ModelName(dir)
	if err != nil {
		return nil, err
	}
	tok, err := tokens.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open language model: %w", err)
	}
	family, err := familyOf(folder{files, tok, cfg})
	if err != nil {
		return nil, fmt.Errorf("open language model %s: %w", dir, err)
	}
	m, err := newMachine(name, tok, family, open, log)
	if err != nil {
		return nil, err
	}
	m.dir = dir
	return m, nil
}

func newMachine(name string, tok *tokens.Tokenizer, family family, open func() (compute.Backend, error), log *slog.Logger) (*Machine, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m := &Machine{name: name, tok: tok, family: family, open: open, log: log, now: time.Now}
	if _, err := m.current(); err != nil {
		return nil, err
	}
	return m, nil
}

// Name is ModelName of the folder.
func (m *Machine) Name() string { return m.name }

// Tokenizer is the model's tokenizer.
func (m *Machine) Tokenizer() *tokens.Tokenizer { return m.tok }

// Engine is what trains adapters; it is good until the machine is replaced, see Stuck.
func (m *Machine) Engine() (Engine, error) {
	p, err := m.current()
	if err != nil {
		return nil, err
	}
	return p.model, nil
}

// Stuck is told of an error that the engine gave; where it says that the backend is stuck, the next call loads the model on
// another.
func (m *Machine) Stuck(engine Engine, err error) {
	m.mu.Lock()
	p := m.part
	m.mu.Unlock()
	if p != nil && engine == Engine(p.model) {
		m.drop(p, err)
	}
}

// onModel runs f on the machine's model of the moment, of the type its family makes, and gives the model up where f says that
// it is stuck.
func onModel[M model, T any](m *Machine, f func(M) (T, error)) (out T, err error) {
	p, err := m.current()
	if err != nil {
		return out, err
	}
	own, ok := p.model.(M)
	if !ok {
		return out, fmt.Errorf("the language model is a %T, want a %T", p.model, own)
	}
	out, err = f(own)
	m.drop(p, err)
	return out, err
}

// drop gives p up where err says that it is stuck. It is not closed: that would wait for the stuck run.
func (m *Machine) drop(p *part, err error) {
	if !errors.Is(err, lm.ErrStuck) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.part == p {
		m.part = nil
		m.log.Error("the language model got stuck, its backend is given up and opened anew", "error", err)
	}
}

// current returns what there is, or loads it. Where that has failed, it is not tried again for a while.
func (m *Machine) current() (*part, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.part != nil {
		return m.part, nil
	}
	if m.fault != nil && m.now().Before(m.rested) {
		return nil, m.fault
	}
	p, err := m.load()
	if err != nil {
		m.rest = min(max(2*m.rest, firstRest), mostRest)
		m.fault, m.rested = err, m.now().Add(m.rest)
		return nil, err
	}
	m.part, m.fault, m.rest = p, nil, 0
	return p, nil
}

func (m *Machine) load() (*part, error) {
	if err := m.unchanged(); err != nil {
		return nil, err
	}
	be, err := m.open()
	if err != nil {
		return nil, fmt.Errorf("open backend for the language model: %w", err)
	}
	model, err := m.family.load(be)
	if err != nil {
		be.Finalize()
		return nil, err
	}
	return &part{be, model}, nil
}

// unchanged refuses files that were replaced since they were named: adapters and vectors are the old model's.
func (m *Machine) unchanged() error {
	if m.dir == "" {
		return nil
	}
	name, err := ModelName(m.dir)
	if err != nil {
		return fmt.Errorf("load the language model again: %w", err)
	}
	if name != m.name {
		return fmt.Errorf("load the language model again: folder %s holds another model by now: restart softrec to use it", m.dir)
	}
	return nil
}

// Close frees the model and its backend. Nobody may use either any more.
func (m *Machine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.part != nil {
		m.part.model.close()
		m.part.backend.Finalize()
		m.part = nil
	}
	return nil
}

// Open makes the Runtime of a machine: its prompts are those the machine trains with.
func Open(cfg Config, m *Machine, catalogue Catalogue, dir string, log *slog.Logger) (*Runtime, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	reader, err := m.family.reader(m, cfg)
	if err != nil {
		return nil, err
	}
	return New(cfg, Deps{Reader: reader, Tokenizer: m.tok, Catalogue: catalogue, Model: m.name, Dir: dir, Logger: log})
}
