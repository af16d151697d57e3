package generative

import (
	"errors"
	"fmt"
	"slices"

	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// Tokenizer is what a Prompter needs of a model's tokenizer; *tokens.Tokenizer is one.
type Tokenizer interface {
	titles.Tokenizer
	Special() tokens.Special
}

// PromptConfig says how a history becomes a prompt. The zero value is not usable; start from DefaultPromptConfig.
type PromptConfig struct {
	Instruction string `koanf:"instruction" help:"text before the history; empty = none (default \"Given the items a user chose, oldest first, write the next one:\")"`
	Separator   string `koanf:"separator" help:"text after each title of the history (default \";\")"`
	Marker      string `koanf:"marker" help:"text before the answer (default \"next:\")"`
	Items       int    `koanf:"items" help:"newest titles of the history that are shown (default 10)"`
	Pieces      int    `koanf:"pieces" help:"tokens of each title that are kept, in history, target and catalogue alike (default 16)"`
	MaxTokens   int    `koanf:"max_tokens" help:"longest prompt in tokens; the oldest titles are left out to keep to it (default 256)"`
	NewestFirst bool   `koanf:"newest_first" help:"write the newest title first; BIGRec writes it last, next to the answer (default false)"`
}

// DefaultPromptConfig is BIGRec's form: an instruction, the last ten titles oldest first, a marker.
func DefaultPromptConfig() PromptConfig {
	return PromptConfig{
		Instruction: "Given the items a user chose, oldest first, write the next one:",
		Separator:   ";",
		Marker:      "next:",
		Items:       10,
		Pieces:      16,
		MaxTokens:   256,
	}
}

// Validate reports every fault at once.
func (c PromptConfig) Validate() error {
	var errs []error
	fault := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("generative.prompt.%s %v: want %s", field, value, want))
		}
	}
	fault(c.Marker != "", "marker", `""`, "a text: it parts the answer from the history")
	fault(c.Items >= 1 && c.Items <= 1024, "items", c.Items, "1 to 1024")
	fault(c.Pieces >= 1 && c.Pieces <= 256, "pieces", c.Pieces, "1 to 256")
	fault(c.MaxTokens >= 8 && c.MaxTokens <= 1<<16, "max_tokens", c.MaxTokens, "8 to 65536")
	return errors.Join(errs...)
}

// Texts are the fixed texts of a prompt: what the vocabulary of a model made from scratch must hold besides titles.
func (c PromptConfig) Texts() []string { return []string{c.Instruction, c.Separator, c.Marker} }

// Prompter writes prompts and targets, the same in training and inference: the parts are encoded one by one and joined as
// ids, so no token ever spans two of them and a title has the same ids in the history, as target and in the trie. It is
// immutable.
type Prompter struct {
	cfg                     PromptConfig
	head, separator, marker []int32
	eos                     int32
	tok                     Tokenizer
}

// NewPrompter encodes the fixed texts. ends are the end-of-text tokens of the model's own configuration, the first of which goes
// before the tokenizer's. It is an error where there is neither, where the tokenizer drops the separator or the marker, or
// where MaxTokens cannot hold one title.
func NewPrompter(tok Tokenizer, cfg PromptConfig, ends ...int32) (*Prompter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := tok.Special()
	if len(ends) == 0 {
		ends = []int32{s.EOS}
	}
	if ends[0] < 0 {
		return nil, errors.New("new prompter: neither the model nor its tokenizer has an end-of-text token, a target could not end")
	}
	p := &Prompter{cfg: cfg, separator: tok.Encode(cfg.Separator), marker: tok.Encode(cfg.Marker), eos: ends[0], tok: tok}
	if len(p.separator) == 0 && cfg.Separator != "" {
		return nil, fmt.Errorf("generative.prompt.separator %q: the tokenizer drops it: want a text it keeps", cfg.Separator)
	}
	if len(p.marker) == 0 {
		return nil, fmt.Errorf("generative.prompt.marker %q: the tokenizer drops it: want a text it keeps", cfg.Marker)
	}
	p.head = append(s.Begin(), tok.Encode(cfg.Instruction)...)
	if least := len(p.head) + cfg.Pieces + len(p.separator) + len(p.marker); least > cfg.MaxTokens {
		return nil, fmt.Errorf("generative.prompt.max_tokens %d: want at least %d for the fixed texts and one title of %d tokens", cfg.MaxTokens, least, cfg.Pieces)
	}
	return p, nil
}

// EOS is the token that ends a target.
func (p *Prompter) EOS() int32 { return p.eos }

// Config is the prompter's configuration.
func (p *Prompter) Config() PromptConfig { return p.cfg }

// Title is a title's token ids, cut to Pieces; none where the title is empty. A special token that is spelled out in it is text like any other.
func (p *Prompter) Title(text string) []int32 { return p.cut(p.tok.EncodePlain(text)) }

func (p *Prompter) cut(title []int32) []int32 { return title[:min(len(title), p.cfg.Pieces)] }

// Prompt is the prompt of a user with these titles (token ids, oldest first). Titles beyond the last Items and those, from
// the oldest on, for which MaxTokens has no room are left out; empty ones write nothing.
func (p *Prompter) Prompt(history [][]int32) []int32 {
	history = history[max(0, len(history)-p.cfg.Items):]
	room := p.cfg.MaxTokens - len(p.head) - len(p.marker)
	var shown [][]int32 // newest first
	for i := len(history) - 1; i >= 0; i-- {
		t := p.cut(history[i])
		if len(t) == 0 {
			continue
		}
		if room -= len(t) + len(p.separator); room < 0 {
			break
		}
		shown = append(shown, t)
	}
	if !p.cfg.NewestFirst {
		slices.Reverse(shown)
	}
	out := append(make([]int32, 0, p.cfg.MaxTokens), p.head...)
	for _, t := range shown {
		out = append(append(out, t...), p.separator...)
	}
	return append(out, p.marker...)
}

// Target is what the model shall write for a title: its tokens and the end of text.
func (p *Prompter) Target(title []int32) []int32 {
	t := p.cut(title)
	return append(append(make([]int32, 0, len(t)+1), t...), p.eos)
}
