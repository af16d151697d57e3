package textlive

import (
	"context"

	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/titles"
)

// Reader is what the kinds of language model do differently for a Runtime. NewVectorReader and NewBeamReader make one,
// for one Runtime.
type Reader interface {
	// width is the length of a title's vector, 0 where titles need none.
	width() int
	// encode gives titles their vectors. It is called only with a width.
	encode(ctx context.Context, texts [][]int32) ([][]float32, error)
	// title is what the model reads of a title's tokens, none where it cannot recommend it.
	title(tokens []int32) []int32
	// shown is how many titles of a history a prompt has room for.
	shown() int
	// prompt is the text of titles, oldest first, at least one.
	prompt(titles [][]int32) []int32
	// follow is told which items can be recommended no longer, and which from now on or with another title.
	follow(gone []string, came []titles.Entry) error
	// read answers questions; a reading is nil where the model has nothing to say.
	read(ctx context.Context, a *lora.Adapter, questions []question) ([]ranker.Reading, error)
	// score is what a reading means for the items of a table that has some; nil for a reading of another kind.
	score(reading ranker.Reading, t *table) *ranker.Text
}

// question is a history as a model reads it.
type question struct {
	prompt []int32
	items  []string // of the history, oldest first, without titles too
}
