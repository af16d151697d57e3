package textlive

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
)

// Encoder turns texts into vectors of length 1, with an adapter or, for nil, with the frozen base; a Machine is one. It is
// safe for concurrent use.
type Encoder interface {
	Encode(ctx context.Context, a *lora.Adapter, texts [][]int32) ([][]float32, error)
	Dim() int
}

// Catalogue is what a Runtime follows; ingest/catalog.View is one.
type Catalogue interface {
	Version() int64
	All() iter.Seq[schema.Item] // live items, newest first
}

// Deps are what a Runtime works with. All but Dir and Logger are required.
type Deps struct {
	Encoder     Encoder
	Tokenizer   titles.Tokenizer
	Catalogue   Catalogue
	Model       string        // names the base model; see ModelName
	Render      titles.Render // of histories: the one the adapters are trained with
	Temperature float64       // of the softmax over cosines: the one the adapters are trained with
	Dir         string        // folder of the file of vectors; empty: none, a restart encodes every title again
	Logger      *slog.Logger  // nil: silent
}

// Runtime is a language model that follows the catalogue. Make one with New and call Run once.
type Runtime struct {
	cfg       Config
	deps      Deps
	log       *slog.Logger
	separator []int32
	table     atomic.Pointer[table]
	waiting   atomic.Int64

	mu      sync.RWMutex
	entries map[string]*entry // by item; an entry itself never changes

	busy sync.Mutex // held by the one who syncs; guards what follows
	kept *vectorFile
	rows map[string]int // of the table
	seen int64          // version of the catalogue that entries show
}

// entry is an item with a title.
type entry struct {
	title  string
	tokens []int32   // empty: the title says nothing to the model
	vec    []float32 // nil until it is encoded
}

// New checks its arguments and opens the file of vectors. The titles are read by Run or Sync.
func New(cfg Config, deps Deps) (*Runtime, error) {
	if err := errors.Join(cfg.Validate(), deps.Render.Validate()); err != nil {
		return nil, err
	}
	if deps.Encoder == nil || deps.Tokenizer == nil || deps.Catalogue == nil || deps.Model == "" {
		return nil, errors.New("new text runtime: want an encoder, its tokenizer, a catalogue and the model's name")
	}
	if !(deps.Temperature > 0) || math.IsInf(deps.Temperature, 1) {
		return nil, fmt.Errorf("new text runtime: temperature %v: want a finite number above 0", deps.Temperature)
	}
	r := &Runtime{cfg: cfg, deps: deps, log: deps.Logger, separator: deps.Tokenizer.Encode(deps.Render.Separator), entries: map[string]*entry{}, rows: map[string]int{}, seen: -1}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.table.Store(&table{})
	if deps.Dir != "" {
		var err error
		if r.kept, err = openVectors(deps.Dir, deps.Model, deps.Encoder.Dim(), r.log); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Close closes the file of vectors. Run must have ended.
func (r *Runtime) Close() error {
	if r.kept == nil {
		return nil
	}
	return r.kept.close()
}

// Model names the base model.
func (r *Runtime) Model() string { return r.deps.Model }

// Len is the number of items that can be recommended, Waiting the number of titles still to be encoded.
func (r *Runtime) Len() int { return r.table.Load().live }

// Waiting is the number of titles still to be encoded, as of the last look at the catalogue.
func (r *Runtime) Waiting() int { return int(r.waiting.Load()) }

// Title returns the title of an item that can be recommended.
func (r *Runtime) Title(id string) (string, bool) {
	if e := r.entry(id); e != nil && e.vec != nil {
		return e.title, true
	}
	return "", false
}

// Item returns the tokens and the frozen vector of an item's title, for a learner's table; both are shared and read only.
// It answers false for an item that cannot be recommended.
func (r *Runtime) Item(id string) (tokens []int32, vec []float32, ok bool) {
	e := r.entry(id)
	if e == nil || e.vec == nil {
		return nil, nil, false
	}
	return e.tokens, e.vec, true
}

func (r *Runtime) entry(id string) *entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.entries[id]
}
