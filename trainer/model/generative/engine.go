package generative

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/softrec/softrec/trainer/model/decoder"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
)

// Engine holds the compiled programs of one decoder, so that tables, learners and rankings of many rounds share them.
type Engine struct {
	base     *lm.Base
	gen      *decoder.Generator
	prompter *Prompter
	cfg      Config
	vocab    int
	begin    []int32

	mu    sync.Mutex
	steps map[string]*lm.Program // by kind of adapter
}

// NewEngine makes an engine. gen must write with base; tok is their tokenizer. All three stay the caller's.
func NewEngine(base *lm.Base, gen *decoder.Generator, tok Tokenizer, cfg Config) (*Engine, error) {
	if base == nil || gen == nil || tok == nil {
		return nil, errors.New("new generative engine: want a model, its generator and its tokenizer")
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("new generative engine: %w", err)
	}
	p, err := NewPrompter(tok, cfg.Prompt, gen.EOS())
	if err != nil {
		return nil, fmt.Errorf("new generative engine: %w", err)
	}
	c := base.Config()
	if most := cfg.Prompt.MaxTokens + cfg.Prompt.Pieces + 1; most > c.MaxPositions {
		return nil, fmt.Errorf("new generative engine: prompt and answer of up to %d tokens: the model has %d positions", most, c.MaxPositions)
	}
	return &Engine{base: base, gen: gen, prompter: p, cfg: cfg, vocab: c.Vocab, begin: tok.Special().Begin(), steps: map[string]*lm.Program{}}, nil
}

// Config is the engine's configuration.
func (e *Engine) Config() Config { return e.cfg }

// Prompter writes the engine's prompts; its Title makes the token ids that Table wants.
func (e *Engine) Prompter() *Prompter { return e.prompter }

// Adapter makes a fresh adapter as Config.LoRA asks for: its update is zero.
func (e *Engine) Adapter(seed uint64) (*lora.Adapter, error) {
	mods := e.base.Tensors()
	if !e.cfg.LoRA.Full {
		var err error
		if mods, err = e.base.Modules(e.cfg.LoRA.Targets); err != nil {
			return nil, err
		}
	}
	return lora.New(e.cfg.LoRA, mods, seed)
}

// Text is the prompt of a history of item rows, oldest first, as token ids.
func (e *Engine) Text(t *Table, history []int32) []int32 { return e.prompter.Prompt(t.texts(history)) }

// ground is a title or a generated text as the frozen base reads it for E. Nothing at all is read as an end of text.
func (e *Engine) ground(tokens []int32) []int32 {
	out := slices.Concat(e.begin, tokens)
	if len(out) == 0 {
		out = append(out, e.prompter.EOS())
	}
	return out
}

// program returns the training step for adapters of a's kind.
func (e *Engine) program(a *lora.Adapter) (*lm.Program, error) {
	key := fmt.Sprint(a.Config.Rank, a.Config.Scaling(), a.Config.Dropout, a.Config.Full, a.Modules)
	e.mu.Lock()
	defer e.mu.Unlock()
	if p, ok := e.steps[key]; ok {
		return p, nil
	}
	lc := a.Config
	lc.Targets = slices.Clone(lc.Targets)
	p, err := e.base.Program("train decoder", &lc, a.Modules, step(lc.Dropout))
	if err != nil {
		return nil, err
	}
	e.steps[key] = p
	return p, nil
}
