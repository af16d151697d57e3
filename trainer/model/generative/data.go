package generative

import (
	"errors"
	"iter"

	"github.com/softrec/softrec/trainer/model/titles"
)

// Prompt is one training or validation example. Items are rows of a Table; those without a title write nothing.
type Prompt = titles.Prompt

// Question asks for the ranks of several items that followed one history.
type Question = titles.Question

// Data is what one Learner learns from and is judged on. The Table stays the caller's.
type Data struct {
	Table      *Table
	Train      []Prompt // those without a titled target or any titled item in the history are left out
	Validation []Prompt
	// Taken tells of items that were taken after others, for distances by co-occurrence; nil: those of Train alone. It may be asked again
	// for every round.
	Taken iter.Seq2[[]int32, int32]
}

// usable returns the training prompts that can be learnt from.
func (d Data) usable() ([]Prompt, error) {
	if d.Table == nil {
		return nil, errors.New("no item table")
	}
	var out []Prompt
	for _, p := range d.Train {
		if err := d.Table.check(p.Past()); err != nil {
			return nil, err
		}
		if d.Table.titled(p.Target) && len(d.Table.texts(p.History)) > 0 {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no training prompt has a title to read and one to learn")
	}
	return out, nil
}
