package textlive

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/softrec/softrec/trainer/model/decoder"
	"github.com/softrec/softrec/trainer/model/generative"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/titles"
)

// Writer writes texts after prompts; decoder.Generator is one. It is safe for concurrent use.
type Writer interface {
	Generate(ctx context.Context, a *lora.Adapter, prompts [][]int32, o decoder.Options) ([][]decoder.Beam, error)
}

// beamReader is the Reader of decoders.
type beamReader struct {
	writer   Writer
	prompter *generative.Prompter
	vocab    int
	beams    int
	filter   bool
	trie     *titles.Trie
}

// found is what beam search found after a history: what a ranker.Reading of a beamReader holds.
type found map[string]finding

// Names implements ranker.Naming.
func (f found) Names(is func(item string) bool) bool {
	for item := range f {
		if is(item) {
			return true
		}
	}
	return false
}

var _ ranker.Naming = found{}

// finding is one item. Its log-probability is that of these tokens: under another title it would have another.
type finding struct {
	tokens []int32
	logp   float32
}

// NewBeamReader makes the Reader of a decoder with a vocabulary of vocab tokens. prompter writes the prompts that the
// adapters are trained with.
func NewBeamReader(writer Writer, prompter *generative.Prompter, vocab, beams int, filterHistory bool) (Reader, error) {
	if writer == nil || prompter == nil {
		return nil, errors.New("new beam reader: want a generator and the prompter of its tokenizer")
	}
	if vocab < 1 || beams < 1 {
		return nil, fmt.Errorf("new beam reader: vocabulary %d and %d beams: want at least 1 of both", vocab, beams)
	}
	return &beamReader{writer, prompter, vocab, beams, filterHistory, titles.NewTrie()}, nil
}

func (*beamReader) width() int { return 0 }

func (*beamReader) encode(context.Context, [][]int32) ([][]float32, error) {
	return nil, errors.New("a decoder's titles have no vectors")
}

// title has no tokens where one of them ends a text or is not the model's: beams cannot write such a title.
func (b *beamReader) title(tokens []int32) []int32 {
	tokens = tokens[:min(len(tokens), b.prompter.Config().Pieces)]
	for _, id := range tokens {
		if id < 0 || int(id) >= b.vocab || id == b.prompter.EOS() {
			return nil
		}
	}
	return tokens
}

func (b *beamReader) shown() int { return b.prompter.Config().Items }

func (b *beamReader) prompt(titles [][]int32) []int32 { return b.prompter.Prompt(titles) }

func (b *beamReader) follow(gone []string, came []titles.Entry) error {
	for _, id := range gone {
		b.trie.Delete(id)
	}
	return b.trie.InsertAll(came)
}

// options are those of a reading. Log-probabilities are among the tokens that lead to a title: only these are a
// distribution over the catalogue, which is what a ranker.Text is measured as.
func (b *beamReader) options(questions []question) decoder.Options {
	o := decoder.Options{Beams: b.beams, Return: b.beams, Stopping: decoder.StopNever, Trie: b.trie, Renormalise: true}
	if b.filter {
		o.Exclude = func(i int) []string { return questions[i].items }
	}
	return o
}

func (b *beamReader) read(ctx context.Context, a *lora.Adapter, questions []question) ([]ranker.Reading, error) {
	if b.trie.Len() == 0 {
		return make([]ranker.Reading, len(questions)), nil
	}
	prompts := make([][]int32, len(questions))
	for i, q := range questions {
		prompts[i] = q.prompt
	}
	lists, err := b.writer.Generate(ctx, a, prompts, b.options(questions))
	if err != nil {
		return nil, err
	}
	out := make([]ranker.Reading, len(lists))
	for i, list := range lists {
		f := found{}
		for _, beam := range list {
			for _, id := range beam.Items {
				f[id] = finding{beam.Tokens, float32(beam.LogP)}
			}
		}
		if len(f) > 0 {
			out[i] = f
		}
	}
	return out, nil
}

// score has the log-probabilities of the items that were found, less those that went or have another title by now.
func (b *beamReader) score(reading ranker.Reading, t *table) *ranker.Text {
	f, ok := reading.(found)
	if !ok || len(f) == 0 {
		return nil
	}
	text := t.text()
	for row, id := range t.ids {
		if hit, ok := f[id]; ok && id != "" && slices.Equal(hit.tokens, t.rows[row].tokens) {
			text.LogProbs[row] = hit.logp
		}
	}
	return text
}
