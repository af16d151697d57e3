package seqtrain

import (
	"context"
	"errors"
	"fmt"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/cooccurrence"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/soft"
)

// Learner trains one network on one set of data. It implements soft.Learner; its prompts are the positions with a
// target, numbered through the examples in order.
type Learner struct {
	engine  *Engine
	cfg     Config
	weights *sequence.Weights
	adam    moments
	average average
	seed    uint64
	vary    Variation
	extra   extra
	words   [][]Word // by item, nil without

	seqs       []sequenceOf
	items      [][]int32 // of seqs
	prompts    []prompt  // by number
	validation []Case
	counts     []int // targets in D by item
	sampler    *sampler
	gradItems  []float32 // Vocab x Dim
	gradPos    []float32 // MaxLen x Dim

	easy       []int32             // D' by prompt; nil before Distil
	confidence []float32           // by prompt
	space      []float32           // E, Vocab x Dim; nil before FixSpace, and where it is the map
	company    *cooccurrence.Space // E where it is a map of what is taken after what, else nil
}

// prompt is where a prompt stands.
type prompt struct{ seq, pos int }

var _ soft.Learner = (*Learner)(nil)

// New makes a Learner with an Engine of its own; see Engine.Learner.
func New(be compute.Backend, cfg Config, start *sequence.Weights, data Data, seed uint64) (*Learner, error) {
	e, err := NewEngine(be, cfg)
	if err != nil {
		return nil, err
	}
	return e.Learner(start, data, seed)
}

// Learner makes a learner that starts from a copy of start with fresh moments. Examples without any known target are
// left out; it is an error if none is left. Examples longer than MaxLen are cut into pieces. seed is mixed into the
// seed of every pass.
func (e *Engine) Learner(start *sequence.Weights, data Data, seed uint64) (*Learner, error) {
	if start == nil {
		return nil, errors.New("new sequence learner: no weights to start from")
	}
	if err := start.Validate(); err != nil {
		return nil, fmt.Errorf("new sequence learner: %w", err)
	}
	for i, ex := range data.Train {
		if len(ex.Items) != len(ex.Targets) {
			return nil, fmt.Errorf("new sequence learner: example %d has %d items and %d targets: want as many", i, len(ex.Items), len(ex.Targets))
		}
	}
	l := &Learner{engine: e, cfg: e.cfg, weights: start.Clone(), seed: seed, validation: data.Validation, extra: extra{sides: -1, words: -1}}
	seqs, n := split(data.Train, start.Config().MaxLen, start.Vocab())
	if n == 0 {
		return nil, fmt.Errorf("new sequence learner: none of %d examples has a known target", len(data.Train))
	}
	l.seqs, l.prompts, l.items = seqs, make([]prompt, 0, n), make([][]int32, len(seqs))
	l.counts = make([]int, start.Vocab())
	for s, seq := range seqs {
		l.items[s] = seq.items
		for i, t := range seq.targets {
			if t != 0 {
				l.prompts = append(l.prompts, prompt{s, i})
				l.counts[t]++
			}
		}
	}
	l.sampler = newSampler(e.cfg, l.counts)
	l.gradItems = make([]float32, len(start.Items()))
	l.gradPos = make([]float32, len(start.Positions()))
	l.adam = freshMoments(start)
	l.average = newAverage(e.cfg.Average, start, nil)
	return l, nil
}

func freshMoments(w *sequence.Weights) moments {
	var m moments
	for _, t := range w.Tensors() {
		m.first = append(m.first, make([]float32, len(t.Data)))
		m.second = append(m.second, make([]float32, len(t.Data)))
	}
	return m
}

// Weights returns a copy of the weights that answer: the present ones, or their average over the steps so far where the configuration keeps
// one. It moves less from step to step than the weights do, so it needs no falling learning rate (Polyak and Juditsky 1992).
func (l *Learner) Weights() *sequence.Weights { return l.answering().Clone() }

// answering are the weights that whatever is asked of a learner is answered by: validation, D', distances, scores. The steps have their own.
func (l *Learner) answering() *sequence.Weights {
	if l.average.weights != nil {
		return l.average.weights
	}
	return l.weights
}

// Prompts is the number of positions with a target.
func (l *Learner) Prompts() int { return len(l.prompts) }

// state is a saved learner.
type state struct {
	weights *sequence.Weights
	adam    moments
	average average
	extra   extra
}

// Save returns a deep copy of the weights, of their average and of Adam's moments.
func (l *Learner) Save(context.Context) (soft.State, error) {
	return &state{weights: l.weights.Clone(), adam: l.adam.clone(), average: l.average.clone(), extra: l.extra.clone()}, nil
}

// Load makes a deep copy of s the present state. D' and E stay.
func (l *Learner) Load(_ context.Context, s soft.State) error {
	st, ok := s.(*state)
	if !ok {
		return fmt.Errorf("load sequence state: it is a %T, not one of this learner's", s)
	}
	if st.weights.Config() != l.weights.Config() || st.weights.Vocab() != l.weights.Vocab() {
		return fmt.Errorf("load sequence state: %+v with %d items does not fit %+v with %d",
			st.weights.Config(), st.weights.Vocab(), l.weights.Config(), l.weights.Vocab())
	}
	l.weights, l.adam, l.average, l.extra = st.weights.Clone(), st.adam.clone(), st.average.clone(), st.extra.clone()
	return nil
}

func (l *Learner) workers() int { return l.cfg.workers() }
