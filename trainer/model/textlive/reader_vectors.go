package textlive

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas/blas32"

	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/retrieval"
	"github.com/softrec/softrec/trainer/model/titles"
)

// Encoder turns texts into vectors of length 1, with an adapter or, for nil, with the frozen base. It is safe for
// concurrent use.
type Encoder interface {
	Encode(ctx context.Context, a *lora.Adapter, texts [][]int32) ([][]float32, error)
	Dim() int
	Vocab() int // every token id is below
	Room() int  // tokens of a text that count, the rest is cut
}

// vectorReader is the Reader of encoders.
type vectorReader struct {
	enc       Encoder
	render    titles.Render
	separator []int32
	pieces    int
	sharp     float32 // 1/temperature
}

// query is a history as an encoder reads it: what a ranker.Reading of a vectorReader holds.
type query struct{ vec []float32 }

// NewVectorReader makes the Reader of an encoder. Titles count with their first pieces tokens; render and temperature, of
// the softmax over cosines, are those the adapters are trained with.
func NewVectorReader(enc Encoder, tok titles.Tokenizer, render titles.Render, temperature float64, pieces int) (Reader, error) {
	if enc == nil || tok == nil {
		return nil, errors.New("new vector reader: want an encoder and its tokenizer")
	}
	if err := render.Validate(); err != nil {
		return nil, fmt.Errorf("new vector reader: %w", err)
	}
	if !(temperature > 0) || math.IsInf(temperature, 1) {
		return nil, fmt.Errorf("new vector reader: temperature %v: want a finite number above 0", temperature)
	}
	if pieces < 1 {
		return nil, fmt.Errorf("new vector reader: pieces %d: want at least 1", pieces)
	}
	separator := tok.Encode(render.Separator)
	if slices.ContainsFunc(separator, func(id int32) bool { return !inVocabulary(enc, id) }) {
		return nil, fmt.Errorf("new vector reader: separator %q: the model does not know its tokens %d", render.Separator, separator)
	}
	return &vectorReader{enc, render, separator, pieces, float32(1 / temperature)}, nil
}

func (v *vectorReader) width() int { return v.enc.Dim() }

func (v *vectorReader) encode(ctx context.Context, texts [][]int32) ([][]float32, error) {
	return v.enc.Encode(ctx, nil, texts)
}

// title leaves out tokens that are not the model's, and cuts what the model would cut: a vector on file is of what was read.
func (v *vectorReader) title(tokens []int32) []int32 {
	if slices.ContainsFunc(tokens, func(id int32) bool { return !inVocabulary(v.enc, id) }) {
		tokens = slices.DeleteFunc(slices.Clone(tokens), func(id int32) bool { return !inVocabulary(v.enc, id) })
	}
	return tokens[:min(len(tokens), v.pieces, v.enc.Room())]
}

// inVocabulary tells whether a token is of an encoder's vocabulary: a tokenizer may have more.
func inVocabulary(enc Encoder, id int32) bool { return id >= 0 && int(id) < enc.Vocab() }

func (v *vectorReader) shown() int { return v.render.Items }

func (v *vectorReader) prompt(titles [][]int32) []int32 { return v.render.Join(titles, v.separator) }

func (v *vectorReader) follow([]string, []titles.Entry) error { return nil } // the table has it all

func (v *vectorReader) read(ctx context.Context, a *lora.Adapter, questions []question) ([]ranker.Reading, error) {
	texts := make([][]int32, len(questions))
	for i, q := range questions {
		texts[i] = q.prompt
	}
	var items *lora.Adapter
	if a != nil {
		a, items = retrieval.Split(a)
	}
	vecs, err := v.enc.Encode(ctx, a, texts)
	if err != nil {
		return nil, err
	}
	out := make([]ranker.Reading, len(vecs))
	for i, vec := range vecs {
		out[i] = &query{retrieval.Project(items, vec)}
	}
	return out, nil
}

// score is the softmax of the reading's cosine with every title.
func (v *vectorReader) score(reading ranker.Reading, t *table) *ranker.Text {
	q, ok := reading.(*query)
	if !ok || q == nil {
		return nil
	}
	text := t.text()
	own, top := blas32.Vector{N: len(q.vec), Inc: 1, Data: q.vec}, math.Inf(-1)
	for row, e := range t.rows {
		if e == nil {
			continue
		}
		text.LogProbs[row] = v.sharp * blas32.Dot(own, blas32.Vector{N: len(e.vec), Inc: 1, Data: e.vec})
		top = max(top, float64(text.LogProbs[row]))
	}
	normalise(text.LogProbs, top)
	return text
}

// normalise turns logits into log-probabilities; top is the greatest.
func normalise(logits []float32, top float64) {
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	by := float32(top + math.Log(sum))
	for i := range logits {
		logits[i] -= by
	}
}
