package generative

import "errors"

// Prompt is one training or validation example. Items are rows of a Table.
type Prompt struct {
	History []int32 // oldest first; items without a title write nothing
	Target  int32   // the item that came next
}

// Question asks for the ranks of several items that followed one history, such as those of a basket.
type Question struct {
	History []int32 // oldest first
	Targets []int32
	Filter  bool // leave the items of the history out of the ranking
}

// Data is what one Learner learns from and is judged on. The Table stays the caller's.
type Data struct {
	Table      *Table
	Train      []Prompt // those without a titled target or any titled item in the history are left out
	Validation []Prompt
}

// usable returns the training prompts that can be learnt from.
func (d Data) usable() ([]Prompt, error) {
	if d.Table == nil {
		return nil, errors.New("no item table")
	}
	var out []Prompt
	for _, p := range d.Train {
		if err := d.Table.check(p.History); err != nil {
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
