package decoder

import (
	"errors"
	"fmt"

	"github.com/softrec/softrec/trainer/model/titles"
)

// Config bounds the work of one run on the device. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Batch    int `koanf:"batch" help:"most prompts in one run (default 16)"`
	Rows     int `koanf:"rows" help:"most texts in one run when titles are scored, all prompts together (default 64)"`
	LogitMiB int `koanf:"logit_mib" help:"memory in MiB that one run may use for scores over the vocabulary; lowers batch and rows where the vocabulary is large (default 256)"`
}

// DefaultConfig fits CPUs and small accelerators.
func DefaultConfig() Config { return Config{Batch: 16, Rows: 64, LogitMiB: 256} }

// Validate reports every fault at once.
func (c Config) Validate() error {
	var errs []error
	fault := func(ok bool, field string, value int, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("decoder.%s %d: want %s", field, value, want))
		}
	}
	fault(c.Batch >= 1 && c.Batch <= 1024, "batch", c.Batch, "1 to 1024")
	fault(c.Rows >= 1 && c.Rows <= 4096, "rows", c.Rows, "1 to 4096")
	fault(c.LogitMiB >= 1 && c.LogitMiB <= 1<<16, "logit_mib", c.LogitMiB, "1 to 65536")
	return errors.Join(errs...)
}

// Stopping says when beam search is content, as early_stopping in transformers.
type Stopping int

// The stopping rules.
const (
	// StopLikely ends when the best open beam, scored as if it ended now, does not beat the worst finished one:
	// early_stopping=False, the default there and here.
	StopLikely Stopping = iota
	// StopFull ends as soon as there are as many finished texts as beams: early_stopping=True.
	StopFull
	// StopNever ends when no open beam can beat the worst finished text any more: early_stopping="never".
	StopNever
)

// Options say what to generate. The zero value writes one text greedily, with up to 32 tokens.
type Options struct {
	Beams         int      // 0 or 1 = greedy
	Return        int      // most texts per prompt, at most Beams; 0 = 1
	MaxNew        int      // most new tokens, the end token included; 0 = 32, or with a Trie what its longest title needs
	LengthPenalty float64  // a text's score is its log-probability over length^LengthPenalty: 0 = sum, 1 = mean
	Stopping      Stopping // when beam search is content
	// Trie holds the texts to titles: prefix_allowed_tokens_fn in transformers. Log-probabilities stay those over the
	// whole vocabulary, as there. nil = free.
	Trie *titles.Trie
	// Exclude returns items that must not be found for a prompt, by its number; only with a Trie. nil = none.
	Exclude func(prompt int) []string
	// Renormalise makes log-probabilities those among the tokens that lead to a title (MSL, arXiv 2504.04178); only with a Trie.
	Renormalise bool
}

// Validate reports every fault at once.
func (o Options) Validate() error {
	var errs []error
	fault := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("decoder options: %s %v: want %s", field, value, want))
		}
	}
	fault(o.Beams >= 0 && o.Beams <= 256, "Beams", o.Beams, "0 to 256")
	fault(o.Return >= 0 && o.Return <= max(1, o.Beams), "Return", o.Return, "0 to Beams")
	fault(o.MaxNew >= 0 && o.MaxNew <= 4096, "MaxNew", o.MaxNew, "0 to 4096")
	fault(o.LengthPenalty >= -10 && o.LengthPenalty <= 10, "LengthPenalty", o.LengthPenalty, "-10 to 10")
	fault(o.Stopping >= StopLikely && o.Stopping <= StopNever, "Stopping", int(o.Stopping), "one of the constants")
	fault(o.Trie != nil || o.Exclude == nil, "Exclude", "given", "a Trie with it")
	fault(o.Trie != nil || !o.Renormalise, "Renormalise", o.Renormalise, "a Trie with it")
	return errors.Join(errs...)
}

// Beam is one text.
type Beam struct {
	Tokens []int32  // without the end token
	End    int32    // the end token, -1 where MaxNew cut the text off
	LogP   float64  // natural log of the text's probability after the prompt, the end token included
	Score  float64  // LogP over length^LengthPenalty, the end token counted: what beams are ordered by
	Items  []string // whose title it is, sorted, without the excluded ones; only with a Trie
}
