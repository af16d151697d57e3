package generative

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/softrec/softrec/trainer/model/cooccurrence"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/soft"
)

// Learner trains one adapter on one set of data. It implements soft.Learner.
type Learner struct {
	engine    *Engine
	step      *lm.Program
	adapter   *lora.Adapter
	optimiser *lora.AdamW
	seed      uint64
	grads     [][]float32 // by tensor of the adapter

	table      *Table
	train      []Prompt
	validation []Question
	prompts    [][]int32 // of train
	targets    [][]int32
	counts     []int // targets in D by item
	mask       bool  // Config.MaskHistory for these prompts
	filter     bool  // Config.FilterHistory for these prompts

	easy    []answer // D' by prompt; nil before Distil
	taken   iter.Seq2[[]int32, int32]
	company *cooccurrence.Space // E; nil: the frozen base's
}

var _ soft.Learner = (*Learner)(nil)

// Learner makes a learner that starts from a copy of start with fresh moments; a nil start is a fresh adapter made from
// seed. seed is also mixed into the seed of every pass.
func (e *Engine) Learner(start *lora.Adapter, data Data, seed uint64) (*Learner, error) {
	l, err := e.learner(start, data, seed)
	if err != nil {
		return nil, fmt.Errorf("new generative learner: %w", err)
	}
	return l, nil
}

func (e *Engine) learner(start *lora.Adapter, data Data, seed uint64) (*Learner, error) {
	train, err := data.usable()
	if err != nil {
		return nil, err
	}
	if start == nil {
		if start, err = e.Adapter(seed); err != nil {
			return nil, err
		}
	}
	if err := start.Check(); err != nil {
		return nil, err
	}
	l := &Learner{engine: e, adapter: start.Clone(), seed: seed, table: data.Table, train: train, counts: make([]int, data.Table.Len())}
	if l.step, err = e.program(start); err != nil {
		return nil, err
	}
	if l.optimiser, err = lora.NewAdamW(e.cfg.Optimiser, l.adapter.Flat()); err != nil {
		return nil, err
	}
	for _, t := range l.adapter.Flat() {
		l.grads = append(l.grads, make([]float32, len(t)))
	}
	for _, p := range train {
		l.prompts = append(l.prompts, e.Text(data.Table, p.History))
		l.targets = append(l.targets, e.prompter.Target(data.Table.titles[p.Target]))
		l.counts[p.Target]++
	}
	for i, p := range data.Validation {
		if err := data.Table.check(p.History); err != nil {
			return nil, fmt.Errorf("validation prompt %d: %w", i, err)
		}
	}
	if l.taken = data.Taken; l.taken == nil {
		l.taken = titles.Taken(train)
	}
	l.mask, l.filter = e.cfg.MaskHistory.In(train), e.cfg.FilterHistory.In(train)
	l.validation = titles.Questions(data.Validation, l.filter)
	return l, nil
}

// Adapter returns a copy of the present adapter.
func (l *Learner) Adapter() *lora.Adapter { return l.adapter.Clone() }

// Prompts is the number of training prompts that were not left out.
func (l *Learner) Prompts() int { return len(l.prompts) }

// state is a saved learner.
type state struct {
	adapter   *lora.Adapter
	optimiser *lora.AdamW
}

// Save returns a deep copy of the adapter and of the optimiser's moments.
func (l *Learner) Save(context.Context) (soft.State, error) {
	return &state{l.adapter.Clone(), l.optimiser.Clone()}, nil
}

// Load makes a deep copy of s the present state. D' stays.
func (l *Learner) Load(_ context.Context, s soft.State) error {
	st, ok := s.(*state)
	if !ok {
		return fmt.Errorf("load decoder state: it is a %T, not one of this learner's", s)
	}
	if !slices.Equal(st.adapter.Modules, l.adapter.Modules) || !slices.Equal(st.adapter.Shapes(), l.adapter.Shapes()) {
		return errors.New("load decoder state: its adapter is of another kind than the learner's")
	}
	l.adapter, l.optimiser = st.adapter.Clone(), st.optimiser.Clone()
	return nil
}

// FixSpace makes E a map of what is taken after what, or the frozen base's embeddings of texts, which it is from the start. On the map a
// raw text lies where the nearest title's item does.
func (l *Learner) FixSpace(_ context.Context, kind soft.Space) (err error) {
	l.company = nil
	switch kind {
	case soft.SpaceModel:
		return nil
	case soft.SpaceCooccurrence:
		l.company, err = cooccurrence.New(cooccurrence.DefaultDim, l.taken)
		return err
	}
	return fmt.Errorf("item space %q: want %s or %s", kind, soft.SpaceModel, soft.SpaceCooccurrence)
}
