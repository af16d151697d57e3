package textlive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/encoder"
	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/retrieval"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// MachineConfig says how a model computes and learns. The zero value is not usable; start from DefaultMachineConfig.
type MachineConfig struct {
	Compute   lm.Options       `koanf:"compute"`
	Encoder   encoder.Config   `koanf:"encoder"`
	Retrieval retrieval.Config `koanf:"retrieval"`
}

// DefaultMachineConfig computes in float32 and learns as retrieval.DefaultConfig does.
func DefaultMachineConfig() MachineConfig {
	return MachineConfig{Encoder: encoder.DefaultConfig(), Retrieval: retrieval.DefaultConfig()}
}

// Validate reports every fault of the configuration at once.
func (c MachineConfig) Validate() error {
	return errors.Join(c.Compute.Validate(), c.Encoder.Validate(), c.Retrieval.Validate())
}

// Machine is a language model on a backend: its weights, loaded once, with what encodes and what trains on them. Where a
// run gets stuck, it gives the backend up and loads the model on a new one, for whoever comes next. It is an Encoder, and
// safe for concurrent use.
type Machine struct {
	name   string
	folder *hf.Folder
	tok    *tokens.Tokenizer
	open   func() (compute.Backend, error)
	cfg    MachineConfig
	log    *slog.Logger

	mu   sync.Mutex
	part *parts // nil while there is no backend
}

// parts are what one backend carries.
type parts struct {
	backend compute.Backend
	base    *lm.Base
	enc     *encoder.Encoder
	engine  *retrieval.Engine
}

// OpenMachine loads the model of a Hugging Face folder on a backend that open opens; the Machine finalises it. A nil log is
// silent. Only encoders (the BERT family) can follow a catalogue.
func OpenMachine(dir string, open func() (compute.Backend, error), cfg MachineConfig, log *slog.Logger) (*Machine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	folder, err := hf.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open language model: %w", err)
	}
	if folder.Config.Family != hf.FamilyBERT {
		return nil, fmt.Errorf("open language model %s: family %q: want an encoder (%q); decoders can be tuned by softrec eval soft, not served", dir, folder.Config.Family, hf.FamilyBERT)
	}
	name, err := ModelName(dir)
	if err != nil {
		return nil, err
	}
	tok, err := tokens.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open language model: %w", err)
	}
	m := &Machine{name: name, folder: folder, tok: tok, open: open, cfg: cfg, log: log}
	if _, err := m.parts(); err != nil {
		return nil, err
	}
	return m, nil
}

// Name is ModelName of the folder.
func (m *Machine) Name() string { return m.name }

// Tokenizer is the model's tokenizer.
func (m *Machine) Tokenizer() *tokens.Tokenizer { return m.tok }

// Dim is the length of a vector.
func (m *Machine) Dim() int { return m.folder.Config.Hidden }

// Engine is what trains adapters; it is good until the machine is replaced, see Stuck.
func (m *Machine) Engine() (*retrieval.Engine, error) {
	p, err := m.parts()
	if err != nil {
		return nil, err
	}
	return p.engine, nil
}

// Encode returns a vector of length 1 for each text under a, nil for the base model; see encoder.Encoder.
func (m *Machine) Encode(ctx context.Context, a *lora.Adapter, texts [][]int32) ([][]float32, error) {
	p, err := m.parts()
	if err != nil {
		return nil, err
	}
	out, err := p.enc.Encode(ctx, a, texts)
	m.drop(p, err)
	return out, err
}

// Stuck is told of an error that the engine gave; where it says that the backend is stuck, the next call loads the model on
// another.
func (m *Machine) Stuck(engine *retrieval.Engine, err error) {
	m.mu.Lock()
	p := m.part
	m.mu.Unlock()
	if p != nil && p.engine == engine {
		m.drop(p, err)
	}
}

// drop gives p up where err says that it is stuck. It is not closed: that would wait for the stuck run.
func (m *Machine) drop(p *parts, err error) {
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

// parts returns what there is, or loads it.
func (m *Machine) parts() (*parts, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.part != nil {
		return m.part, nil
	}
	be, err := m.open()
	if err != nil {
		return nil, fmt.Errorf("open backend for the language model: %w", err)
	}
	p := &parts{backend: be}
	if err := m.load(p); err != nil {
		p.close()
		return nil, err
	}
	m.part = p
	return p, nil
}

func (m *Machine) load(p *parts) (err error) {
	if p.base, err = lm.Load(p.backend, m.folder, m.cfg.Compute); err != nil {
		return err
	}
	if p.enc, err = encoder.New(p.base, m.tok, m.folder.Pooling, m.cfg.Encoder); err != nil {
		return err
	}
	p.engine, err = retrieval.NewEngine(p.base, p.enc, m.tok, m.cfg.Retrieval)
	return err
}

func (p *parts) close() {
	if p.base != nil {
		p.base.Close()
	}
	p.backend.Finalize()
}

// Close frees the model and its backend. Nobody may use either any more.
func (m *Machine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.part != nil {
		m.part.close()
		m.part = nil
	}
	return nil
}

// Open makes the Runtime of a machine: the prompts and the temperature are those it trains with.
func Open(cfg Config, m *Machine, catalogue Catalogue, dir string, log *slog.Logger) (*Runtime, error) {
	return New(cfg, Deps{Encoder: m, Tokenizer: m.tok, Catalogue: catalogue, Model: m.name,
		Render: m.cfg.Retrieval.Render, Temperature: m.cfg.Retrieval.Temperature, Dir: dir, Logger: log})
}
