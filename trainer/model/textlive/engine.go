package textlive

import (
	"context"
	"iter"

	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/soft"
)

// Engine trains adapters of a Machine's model. It is for one goroutine at a time.
type Engine interface {
	// Adapter makes a fresh adapter as the model's configuration asks for: its update is zero.
	Adapter(seed uint64) (*lora.Adapter, error)
	// Course readies what one round learns from.
	Course(ctx context.Context, lessons Lessons) (Course, error)
}

// Lessons are what a round learns from.
type Lessons struct {
	Titles     [][]int32   // tokens by item row, as Runtime.Item gives them; empty: the item has no title
	Vectors    [][]float32 // by item row, likewise; nil where the model needs none
	Train      []Prompt    // those without a title to read or to learn are left out
	Validation []Prompt
	Taken      iter.Seq2[[]int32, int32] // item rows taken after others, for distances by co-occurrence; nil: those of Train
}

// Prompt is one example. Items are rows of Lessons.Titles.
type Prompt struct {
	History []int32 // oldest first
	Target  int32   // the item that came next
}

// Course makes the learners of one round.
type Course interface {
	// Learner starts from a copy of an adapter. seed is mixed into the seed of every pass.
	Learner(start *lora.Adapter, seed uint64) (Learner, error)
	// Close frees what the learners share. It must not be called after lm.ErrStuck: the stuck run still reads it.
	Close() error
}

// Learner is a soft.Learner of an adapter.
type Learner interface {
	soft.Learner
	// Adapter returns a copy of the present adapter.
	Adapter() *lora.Adapter
}
