package textlive

import (
	"fmt"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// family is what the kinds of language model do differently for a Machine.
type family interface {
	// load puts the model on a backend.
	load(be compute.Backend) (model, error)
	// reader makes what a Runtime reads with, on the machine's model of the moment.
	reader(m *Machine, cfg Config) (Reader, error)
	// settings names the part of MachineConfig that says how it learns.
	settings() string
}

// model is a language model on one backend.
type model interface {
	Engine
	close()
}

// folder is a model's files, and how they are used.
type folder struct {
	*hf.Folder
	tok *tokens.Tokenizer
	cfg MachineConfig
}

// familyOf chooses by what config.json says.
func familyOf(f folder) (family, error) {
	switch f.Config.Family {
	case hf.FamilyBERT:
		return encoders{f}, nil
	case hf.FamilyLlama, hf.FamilyQwen2:
		return newDecoders(f)
	default:
		return nil, fmt.Errorf("family %q: want an encoder (%q) or a decoder (%q, %q)", f.Config.Family, hf.FamilyBERT, hf.FamilyLlama, hf.FamilyQwen2)
	}
}

// loaded puts the weights on a backend and what use builds on them; they are freed where it fails.
func (f folder) loaded(be compute.Backend, use func(*lm.Base) (model, error)) (model, error) {
	base, err := lm.Load(be, f.Folder, f.cfg.Compute)
	if err != nil {
		return nil, err
	}
	m, err := use(base)
	if err != nil {
		base.Close()
		return nil, err
	}
	return m, nil
}
