package encoder

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// Encoder encodes texts with the base model or with an adapter on it.
type Encoder struct {
	base     *lm.Base
	pooling  hf.Pooling
	special  special
	specials int   // special tokens around a text
	buckets  []int // lengths, rising
	rows     int   // most texts per run

	mu       sync.Mutex
	programs map[string]*lm.Program // by kind of adapter, see kind
}

// special are the tokens around a text, -1 where the model has none.
type special struct{ cls, sep, pad int32 }

// New makes an Encoder. The base stays the caller's. An empty pooling mode is mean.
func New(base *lm.Base, tok *tokens.Tokenizer, pool hf.Pooling, cfg Config) (*Encoder, error) {
	if base == nil || tok == nil {
		return nil, errors.New("new encoder: want a model and its tokenizer")
	}
	if err := errors.Join(cfg.Validate(), checkPooling(pool)); err != nil {
		return nil, fmt.Errorf("new encoder: %w", err)
	}
	s := tok.Special()
	e := &Encoder{base: base, pooling: pool, special: special{s.CLS, s.SEP, max(s.PAD, 0)}, rows: cfg.BatchSize, programs: map[string]*lm.Program{}}
	for _, id := range []int32{s.CLS, s.SEP} {
		if id >= 0 {
			e.specials++
		}
	}
	most, err := longest(cfg.MaxTokens, pool.MaxTokens, base.Config().MaxPositions)
	if err != nil {
		return nil, fmt.Errorf("new encoder: %w", err)
	}
	e.buckets = buckets(most)
	if e.rows == 0 {
		e.rows = sizes[0]
	}
	return e, nil
}

// longest is the length texts are cut to.
func longest(wanted, trained, positions int) (int, error) {
	if wanted > positions {
		return 0, fmt.Errorf("encoder.max_tokens %d: the model has %d positions", wanted, positions)
	}
	if wanted > 0 {
		return wanted, nil
	}
	if trained == 0 {
		trained = defaultMaxTokens
	}
	return min(trained, positions, defaultMaxTokens), nil
}

// Dim is the length of a vector.
func (e *Encoder) Dim() int { return e.base.Config().Hidden }

// Vocab is the size of the model's vocabulary, above every token id that Encode takes.
func (e *Encoder) Vocab() int { return e.base.Config().Vocab }

// Room is how many tokens of a text are read, special tokens not counted; the rest is cut.
func (e *Encoder) Room() int { return e.buckets[len(e.buckets)-1] - e.specials }

// Pooling is what the Encoder pools with.
func (e *Encoder) Pooling() hf.Pooling { return e.pooling }

// Pool is Pool with the Encoder's pooling, for training graphs over the same base.
func (e *Encoder) Pool(hidden, mask *graph.Node) *graph.Node { return Pool(e.pooling, hidden, mask) }

// Encode returns a vector of length 1 for each text, given as token ids without special tokens, with adapter a or, for nil, the base
// model itself. The context is looked at between batches.
func (e *Encoder) Encode(ctx context.Context, a *lora.Adapter, texts [][]int32) ([][]float32, error) {
	if err := e.check(texts); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	p, err := e.program(a)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	out := make([][]float32, len(texts))
	for _, b := range e.plan(texts) {
		if err := e.run(ctx, p, a, texts, b, out); err != nil {
			return nil, fmt.Errorf("encode: %w", err)
		}
	}
	return out, nil
}

// check reports ids that are not of the vocabulary; a graph would take them for others without a word.
func (e *Encoder) check(texts [][]int32) error {
	vocab := e.Vocab()
	for i, t := range texts {
		for _, id := range t {
			if id < 0 || int(id) >= vocab {
				return fmt.Errorf("text %d: token %d: want 0 to %d", i, id, vocab-1)
			}
		}
	}
	return nil
}

// run encodes one batch into out.
func (e *Encoder) run(ctx context.Context, p *lm.Program, a *lora.Adapter, texts [][]int32, b batch, out [][]float32) error {
	part := make([][]int32, len(b.texts))
	for k, i := range b.texts {
		part[k] = texts[i]
	}
	ids, mask := e.Pad(part, b.rows, b.length)
	err := p.Run(ctx, a, []*tensors.Tensor{ids, mask}, func(_ int, values []float32) {
		d := e.Dim()
		for k, i := range b.texts {
			out[i] = append([]float32(nil), values[k*d:(k+1)*d]...)
		}
	})
	if errors.Is(err, lm.ErrStuck) { // the stuck run still reads the inputs
		return err
	}
	return errors.Join(err, ids.FinalizeAll(), mask.FinalizeAll())
}

// program returns the program for adapters of a's kind, made at the first use.
func (e *Encoder) program(a *lora.Adapter) (*lm.Program, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	k := kind(a)
	if p, ok := e.programs[k]; ok {
		return p, nil
	}
	var cfg *lora.Config
	var mods []lora.Module
	if a != nil {
		cfg, mods = &a.Config, a.Modules
	}
	p, err := e.base.Program("encode", cfg, mods, func(m *lm.Model, data []*graph.Node) []*graph.Node {
		return []*graph.Node{e.Pool(m.Hidden(data[0], data[1]), data[1])}
	})
	if err != nil {
		return nil, err
	}
	e.programs[k] = p
	return p, nil
}

// kind is what a program depends on: all of an adapter but its values.
func kind(a *lora.Adapter) string {
	if a == nil {
		return ""
	}
	return fmt.Sprintf("%d %v %v %v", a.Config.Rank, a.Config.Scaling(), a.Config.Full, a.Modules)
}
