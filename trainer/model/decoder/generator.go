package decoder

import (
	"errors"
	"fmt"
	"sync"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// Tokenizer is what a Generator needs of a tokenizer; *tokens.Tokenizer is one.
type Tokenizer interface {
	Encode(text string) []int32 // without special tokens
	Special() tokens.Special
}

// Generator writes with one base model and any adapter over it. The compiled programs of each shape of adapter are kept until
// the base is closed.
type Generator struct {
	base *lm.Base
	tok  Tokenizer
	cfg  Config
	eos  []int32 // the first one ends titles

	mu       sync.Mutex
	programs map[string]*programs // by shape of adapter
}

// New makes a Generator. End tokens are those of the model's config.json, else the tokenizer's.
func New(base *lm.Base, tok Tokenizer, cfg Config) (*Generator, error) {
	if base == nil || tok == nil {
		return nil, errors.New("new generator: want a model and a tokenizer")
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("new generator: %w", err)
	}
	c := base.Config()
	if c.Family == hf.FamilyBERT {
		return nil, fmt.Errorf("new generator: model family %q: want a decoder", c.Family)
	}
	g := &Generator{base: base, tok: tok, cfg: cfg, eos: c.EOS, programs: map[string]*programs{}}
	if len(g.eos) == 0 && tok.Special().EOS >= 0 {
		g.eos = []int32{tok.Special().EOS}
	}
	if len(g.eos) == 0 {
		return nil, errors.New("new generator: neither the model nor the tokenizer names an end token")
	}
	return g, nil
}

// EOS is the token that ends a title.
func (g *Generator) EOS() int32 { return g.eos[0] }

// Text encodes a text for Embed or as a prompt, behind the begin token of tokenizers that stand one before texts.
func (g *Generator) Text(text string) []int32 {
	return append(g.tok.Special().Begin(), g.tok.Encode(text)...)
}

// of returns the programs for adapters shaped like a; nil is the frozen base.
func (g *Generator) of(a *lora.Adapter) (*programs, error) {
	key, lc, mods := "", (*lora.Config)(nil), []lora.Module(nil)
	if a != nil {
		key, lc, mods = fmt.Sprint(a.Config, a.Modules), &a.Config, a.Modules
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if p, ok := g.programs[key]; ok {
		return p, nil
	}
	p, err := newPrograms(g.base, lc, mods)
	if err != nil {
		return nil, err
	}
	g.programs[key] = p
	return p, nil
}

// check refuses prompts that the model cannot read with room for extra more tokens.
func (g *Generator) check(what string, texts [][]int32, extra int) error {
	c := g.base.Config()
	for i, t := range texts {
		if len(t) == 0 {
			return fmt.Errorf("%s %d has no tokens", what, i)
		}
		if len(t)+extra > c.MaxPositions {
			return fmt.Errorf("%s %d has %d tokens with %d to come: want at most %d together", what, i, len(t), extra, c.MaxPositions)
		}
		for _, id := range t {
			if id < 0 || int(id) >= c.Vocab {
				return fmt.Errorf("%s %d: token %d is not in the vocabulary of %d", what, i, id, c.Vocab)
			}
		}
	}
	return nil
}
