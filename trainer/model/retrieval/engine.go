package retrieval

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/encoder"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
)

// Engine holds the compiled programs of one model, so that tables, learners and rankings of many rounds share them.
type Engine struct {
	base      *lm.Base
	enc       *encoder.Encoder
	cfg       Config
	separator []int32
	ranking   *lm.Program

	mu    sync.Mutex
	steps map[string]*lm.Program
}

// NewEngine makes an engine. enc must encode with base; tok is their tokenizer. All three stay the caller's.
func NewEngine(base *lm.Base, enc *encoder.Encoder, tok titles.Tokenizer, cfg Config) (*Engine, error) {
	if base == nil || enc == nil || tok == nil {
		return nil, errors.New("new retrieval engine: want a model, its encoder and its tokenizer")
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("new retrieval engine: %w", err)
	}
	e := &Engine{base: base, enc: enc, cfg: cfg, separator: tok.Encode(cfg.Render.Separator), steps: map[string]*lm.Program{}}
	var err error
	if e.ranking, err = base.Program("rank titles", nil, nil, rank(cfg.Temperature)); err != nil {
		return nil, fmt.Errorf("new retrieval engine: %w", err)
	}
	return e, nil
}

// Config is the engine's configuration.
func (e *Engine) Config() Config { return e.cfg }

// Adapter makes a fresh adapter as Config.LoRA and Config.ItemAdapter ask for: its update is zero.
func (e *Engine) Adapter(seed uint64) (*lora.Adapter, error) {
	mods := e.base.Tensors()
	if !e.cfg.LoRA.Full {
		var err error
		if mods, err = e.base.Modules(e.cfg.LoRA.Targets); err != nil {
			return nil, err
		}
	}
	a, err := lora.New(e.cfg.LoRA, mods, seed)
	if err != nil {
		return nil, err
	}
	return e.withHead(a, seed)
}

// withHead adds the item residual where the configuration wants one and the adapter has none.
func (e *Engine) withHead(a *lora.Adapter, seed uint64) (*lora.Adapter, error) {
	if _, items := Split(a); items != nil || !e.cfg.ItemAdapter {
		return a, nil
	}
	h, err := newHead(a.Config, e.enc.Dim(), seed)
	if err != nil {
		return nil, err
	}
	return Join(a, h), nil
}

// Text is the prompt of a history of item rows, oldest first, as token ids.
func (e *Engine) Text(t *Table, history []int32) []int32 {
	shown := history[max(0, len(history)-e.cfg.Render.Items):]
	ids := make([][]int32, len(shown))
	for i, item := range shown {
		ids[i] = t.titles[item]
	}
	return e.cfg.Render.Join(ids, e.separator)
}

// stepProgram returns the training step for adapters of a's kind.
func (e *Engine) stepProgram(a *lora.Adapter, sampled bool) (*lm.Program, error) {
	enc, head := Split(a)
	n := network{engine: e, cfg: a.Config, head: head != nil, sampled: sampled}
	key := fmt.Sprintf("%d %v %v %v %v %v %v", a.Config.Rank, a.Config.Scaling(), a.Config.Dropout, a.Config.Full, n.head, sampled, enc.Modules)
	e.mu.Lock()
	defer e.mu.Unlock()
	if p, ok := e.steps[key]; ok {
		return p, nil
	}
	n.cfg.Targets = slices.Clone(n.cfg.Targets)
	p, err := e.base.Program("train retrieval", &enc.Config, enc.Modules, n.step)
	if err != nil {
		return nil, err
	}
	e.steps[key] = p
	return p, nil
}

// queryRows is how many queries are ranked at a time.
const queryRows = 128

// rankAll hands the scores of each text against the table, cosine/temperature, to use, in order; they may be changed but not kept.
// a may be nil for the base model.
func (e *Engine) rankAll(ctx context.Context, a *lora.Adapter, t *Table, texts [][]int32, use func(i int, scores []float32)) error {
	var head *lora.Adapter
	if a != nil {
		a, head = Split(a)
	}
	vectors, err := e.enc.Encode(ctx, a, texts)
	if err != nil {
		return err
	}
	for at := 0; at < len(vectors); at += queryRows {
		part := vectors[at:min(at+queryRows, len(vectors))]
		rows := 1 // a single question does not pay for a whole batch
		if len(part) > 1 {
			rows = queryRows
		}
		q := make([]float32, rows*t.dim)
		for i, v := range part {
			copy(q[i*t.dim:], Project(head, v))
		}
		in := tensors.FromFlatDataAndDimensions(q, rows, t.dim)
		err := e.ranking.Run(ctx, nil, []*tensors.Tensor{in, t.device, t.bias}, func(_ int, all []float32) {
			for i := range part {
				use(at+i, append([]float32(nil), all[i*t.pad:i*t.pad+t.items]...))
			}
		})
		if errors.Is(err, lm.ErrStuck) { // the stuck run still reads the input
			return err
		}
		if err := errors.Join(err, in.FinalizeAll()); err != nil {
			return err
		}
	}
	return nil
}
