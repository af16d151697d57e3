package retrieval

import (
	"fmt"
	"iter"

	"github.com/softrec/softrec/trainer/model/titles"
)

// Prompt is one training or validation example. Items are rows of a Table.
type Prompt = titles.Prompt

// Question asks for the ranks of several items that followed one history.
type Question = titles.Question

// Data is what one Learner learns from and is judged on. The Table stays the caller's and must outlive the Learner.
type Data struct {
	Table      *Table
	Train      []Prompt
	Validation []Prompt
	// Taken tells of items that were taken after others, for distances by co-occurrence; nil: those of Train alone. It may be asked again
	// for every round.
	Taken iter.Seq2[[]int32, int32]
}

// checkHistory reports rows that the table does not have.
func (t *Table) checkHistory(history []int32) error {
	for _, item := range history {
		if item < 0 || int(item) >= t.items {
			return fmt.Errorf("item row %d: want 0 to %d", item, t.items-1)
		}
	}
	return nil
}

// usable reports prompts that training cannot learn from: no title to read, or a target without one.
func (t *Table) usable(p Prompt) bool {
	if p.Target < 0 || int(p.Target) >= t.items || !t.titled[p.Target] {
		return false
	}
	for _, item := range p.History {
		if t.titled[item] {
			return true
		}
	}
	return false
}
