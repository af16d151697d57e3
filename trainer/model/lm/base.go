package lm

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/hf"
)

// Base is the frozen weights of a model on a device, shared by every Program.
type Base struct {
	backend compute.Backend
	cfg     hf.Config
	opts    Options
	specs   []spec // by input number, in the order of names
	index   map[string]int
	weights []*tensors.Tensor // by input number
	stuck   atomic.Bool

	mu       sync.RWMutex // held for reading by runs, so that Close waits for them
	closed   bool
	programs []*Program // guarded by list
	list     sync.Mutex
}

// Load reads the weights that the family's graphs use and puts them on the device. The backend stays the caller's. The folder may be
// closed or removed afterwards.
func Load(be compute.Backend, f *hf.Folder, o Options) (*Base, error) {
	if be == nil {
		return nil, errors.New("load model: no backend")
	}
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	specs, err := specsOf(f)
	if err != nil {
		return nil, fmt.Errorf("load model %s: %w", f.Dir, err)
	}
	o.BF16 = o.BF16.On(be)
	b := &Base{backend: be, cfg: f.Config, opts: o, specs: specs, index: make(map[string]int, len(specs))}
	for i, s := range specs {
		t, err := b.upload(f, s)
		if err != nil {
			b.Close()
			return nil, fmt.Errorf("load model %s: %w", f.Dir, err)
		}
		b.weights, b.index[s.name] = append(b.weights, t), i
	}
	return b, nil
}

// Config is the architecture.
func (b *Base) Config() hf.Config { return b.cfg }

// Options are those the Base was loaded with; BF16 is what it came to on the backend.
func (b *Base) Options() Options { return b.opts }

// Close waits for running programs, then frees the programs and the weights. After ErrStuck it leaves them alone: the stuck
// run still uses them. Programs give an error from then on.
func (b *Base) Close() {
	if b.stuck.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	for _, p := range b.programs {
		p.exec.Finalize()
	}
	for _, w := range b.weights {
		w.MustFinalizeAll()
	}
	b.programs, b.weights = nil, nil
}
