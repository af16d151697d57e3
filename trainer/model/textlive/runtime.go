package textlive

import (
	"errors"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/titles"
)

// Catalogue is what a Runtime follows; ingest/catalog.View is one.
type Catalogue interface {
	Version() int64
	All() iter.Seq[schema.Item] // live items, newest first
}

// Deps are what a Runtime works with. All but Dir and Logger are required.
type Deps struct {
	Reader    Reader // of this Runtime alone
	Tokenizer titles.Tokenizer
	Catalogue Catalogue
	Model     string       // names the base model; see ModelName
	Dir       string       // folder of the file of vectors; empty: none, a restart encodes every title again
	Logger    *slog.Logger // nil: silent
}

// Runtime is a language model that follows the catalogue. Make one with New and call Run once.
type Runtime struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	table   atomic.Pointer[table]
	waiting atomic.Int64

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
	vec    []float32 // nil until it is encoded, and where the model needs none
	ready  bool      // the item can be recommended
	sum    uint64    // digest of tokens
}

// New checks its arguments and, for a model whose titles need vectors, opens their file. The titles are read by Run or Sync.
func New(cfg Config, deps Deps) (*Runtime, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Reader == nil || deps.Tokenizer == nil || deps.Catalogue == nil || deps.Model == "" {
		return nil, errors.New("new text runtime: want a reader, its tokenizer, a catalogue and the model's name")
	}
	r := &Runtime{cfg: cfg, deps: deps, log: deps.Logger, entries: map[string]*entry{}, rows: map[string]int{}, seen: -1}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.table.Store(&table{})
	if width := deps.Reader.width(); deps.Dir != "" && width > 0 {
		var err error
		if r.kept, err = openVectors(deps.Dir, deps.Model, width, cfg.Titles, r.log); err != nil {
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

// Version grows whenever the items that can be recommended change: a list made from a Score before is then out of date.
func (r *Runtime) Version() int64 { return r.table.Load().version }

// Among names the titles of the moment where a reading is a list of items found among them; it is 0 where a reading is a vector, which new
// items are compared with too.
func (r *Runtime) Among() int64 {
	if r.deps.Reader.width() > 0 {
		return 0
	}
	return 1 + r.Version()
}

// Len is the number of items that can be recommended.
func (r *Runtime) Len() int { return r.table.Load().live }

// Waiting is the number of titles still to be encoded, as of the last look at the catalogue.
func (r *Runtime) Waiting() int { return int(r.waiting.Load()) }

// Title returns the title of an item that can be recommended.
func (r *Runtime) Title(id string) (string, bool) {
	if e := r.entry(id); e != nil && e.ready {
		return e.title, true
	}
	return "", false
}

// Item returns the tokens and the frozen vector of an item's title, for a learner; both are shared and read only. The
// vector is nil where the model needs none. It answers false for an item that cannot be recommended.
func (r *Runtime) Item(id string) (tokens []int32, vec []float32, ok bool) {
	e := r.entry(id)
	if e == nil || !e.ready {
		return nil, nil, false
	}
	return e.tokens, e.vec, true
}

func (r *Runtime) entry(id string) *entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.entries[id]
}
