package retrieval

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"

	"github.com/softrec/softrec/trainer/model/cooccurrence"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/soft"
)

// Learner tunes one adapter on one set of data. It implements soft.Learner; its prompts are those of Data.Train that have
// a title to read and a target with a title, in their order.
type Learner struct {
	engine  *Engine
	table   *Table
	seed    uint64
	adapter *lora.Adapter
	adam    *lora.AdamW

	prompts    []Prompt
	texts      [][]int32 // of prompts
	validation []Prompt
	counts     []int // targets in D by item
	masked     int   // places kept for the items of the past in a prompt of a batch
	rankable   []int32
	mask       bool // Config.MaskHistory for these prompts
	filter     bool // Config.FilterHistory for these prompts

	easy    *answers // D'; nil before Distil
	taken   iter.Seq2[[]int32, int32]
	company *cooccurrence.Space // E; nil: the frozen table
}

var _ soft.Learner = (*Learner)(nil)

// Learner makes a learner that starts from a copy of start, nil being a fresh adapter drawn from seed, with fresh moments. seed is mixed
// into the seed of every pass. It is an error if no training prompt is left.
func (e *Engine) Learner(start *lora.Adapter, data Data, seed uint64) (*Learner, error) {
	l, err := e.learner(start, data, seed)
	if err != nil {
		return nil, fmt.Errorf("new retrieval learner: %w", err)
	}
	return l, nil
}

func (e *Engine) learner(start *lora.Adapter, data Data, seed uint64) (*Learner, error) {
	if data.Table == nil {
		return nil, errors.New("no item table")
	}
	l := &Learner{engine: e, table: data.Table, seed: seed, validation: data.Validation}
	if err := l.take(data); err != nil {
		return nil, err
	}
	var err error
	if start == nil {
		l.adapter, err = e.Adapter(seed)
	} else if err = start.Check(); err == nil {
		l.adapter, err = e.withHead(start.Clone(), seed)
	}
	if err != nil {
		return nil, err
	}
	l.adam, err = lora.NewAdamW(e.cfg.Optimiser, l.adapter.Flat())
	return l, err
}

// take keeps the usable prompts and what batches need to know of them.
func (l *Learner) take(data Data) error {
	longest := 0
	l.counts = make([]int, l.table.items)
	for i, p := range data.Train {
		if err := l.table.checkHistory(p.Past()); err != nil {
			return fmt.Errorf("training prompt %d: %w", i, err)
		}
		if !l.table.usable(p) {
			continue
		}
		l.prompts, l.texts = append(l.prompts, p), append(l.texts, l.engine.Text(l.table, p.History))
		l.counts[p.Target]++
		longest = max(longest, len(different(p.Past())))
	}
	for i, p := range data.Validation {
		if err := l.table.checkHistory(p.History); err != nil {
			return fmt.Errorf("validation prompt %d: %w", i, err)
		}
	}
	if l.taken = data.Taken; l.taken == nil {
		l.taken = titles.Taken(l.prompts)
	}
	if len(l.prompts) == 0 {
		return fmt.Errorf("none of %d training prompts has a title to read and a target with one", len(data.Train))
	}
	l.mask, l.filter = l.engine.cfg.MaskHistory.In(l.prompts), l.engine.cfg.FilterHistory.In(l.prompts)
	for i, ok := range l.table.titled {
		if ok {
			l.rankable = append(l.rankable, int32(i))
		}
	}
	l.masked = max(8, 1<<bits.Len(uint(max(longest, 1)-1))) // a power of two: few shapes to compile
	return nil
}

// Adapter returns a copy of the present adapter; see Split where it carries an item residual.
func (l *Learner) Adapter() *lora.Adapter { return l.adapter.Clone() }

// Prompts is the number of training prompts that are used.
func (l *Learner) Prompts() int { return len(l.prompts) }

// state is a saved learner.
type state struct {
	adapter *lora.Adapter
	adam    *lora.AdamW
}

// Save returns a deep copy of the adapter and of the optimiser's moments.
func (l *Learner) Save(context.Context) (soft.State, error) {
	return &state{l.adapter.Clone(), l.adam.Clone()}, nil
}

// Load makes a deep copy of s the present state. D' stays.
func (l *Learner) Load(_ context.Context, s soft.State) error {
	st, ok := s.(*state)
	if !ok {
		return fmt.Errorf("load retrieval state: it is a %T, not one of this learner's", s)
	}
	if err := st.adapter.Fits(l.adapter.Modules); err != nil {
		return fmt.Errorf("load retrieval state: %w", err)
	}
	if st.adapter.Parameters() != l.adapter.Parameters() {
		return fmt.Errorf("load retrieval state: it has %d values, the learner %d", st.adapter.Parameters(), l.adapter.Parameters())
	}
	l.adapter, l.adam = st.adapter.Clone(), st.adam.Clone()
	return nil
}

// FixSpace makes E a map of what is taken after what, or the frozen base's item table, which it is from the start.
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
