package titles

import (
	"errors"
	"fmt"
)

// Tokenizer is what titles need of a model's tokenizer; *tokens.Tokenizer is one.
type Tokenizer interface {
	Encode(text string) []int32      // the ids of a text of softrec's own, without special tokens around it
	EncodePlain(text string) []int32 // of a stranger's, in which a special token that is spelled out is text like any other
}

// Render says how a history becomes a prompt: newest title first, so that what is cut away is oldest. The zero value is
// not usable; start from DefaultRender.
type Render struct {
	Items     int    `koanf:"items" help:"newest titles of the history that are shown (default 10)"`
	Pieces    int    `koanf:"pieces" help:"tokens of each title that are kept (default 8)"`
	Separator string `koanf:"separator" help:"text between two titles (default \",\")"`
}

// DefaultRender shows the last ten titles, as the paper does, at eight tokens each.
func DefaultRender() Render { return Render{Items: 10, Pieces: 8, Separator: ","} }

// Validate reports every fault at once.
func (r Render) Validate() error {
	var errs []error
	if r.Items < 1 {
		errs = append(errs, fmt.Errorf("titles.items %d: want at least 1", r.Items))
	}
	if r.Pieces < 1 {
		errs = append(errs, fmt.Errorf("titles.pieces %d: want at least 1", r.Pieces))
	}
	return errors.Join(errs...)
}

// History is the prompt of a user with these titles, oldest first. It equals Join of the encoded titles.
func (r Render) History(tok Tokenizer, titles []string) []int32 {
	ids := make([][]int32, 0, r.Items)
	for _, t := range titles[max(0, len(titles)-r.Items):] {
		ids = append(ids, tok.EncodePlain(t))
	}
	return r.Join(ids, tok.Encode(r.Separator))
}

// Join is the prompt of a user with these titles, already token ids, oldest first; separator is Separator's ids. A title
// without tokens takes one of the places but writes nothing.
func (r Render) Join(titles [][]int32, separator []int32) []int32 {
	titles = titles[max(0, len(titles)-r.Items):]
	out := make([]int32, 0, len(titles)*(r.Pieces+len(separator)))
	for i := len(titles) - 1; i >= 0; i-- {
		if len(titles[i]) == 0 {
			continue
		}
		if len(out) > 0 {
			out = append(out, separator...)
		}
		out = append(out, titles[i][:min(len(titles[i]), r.Pieces)]...)
	}
	return out
}

// Longest is the greatest length Join can give with a separator of so many tokens.
func (r Render) Longest(separator int) int { return r.Items*r.Pieces + (r.Items-1)*separator }
