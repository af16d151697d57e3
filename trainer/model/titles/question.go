package titles

import (
	"iter"
	"slices"
)

// Prompt is one example of a model that reads titles: what came after a history. Items are rows of the model's table.
type Prompt struct {
	Before  []int32 // what came before History, and is not shown
	History []int32 // what is shown, oldest first
	Target  int32   // the item that came next
}

// Past is all the user had, oldest first: what an answer to the prompt leaves out where answers leave anything out.
func (p Prompt) Past() []int32 {
	if len(p.Before) == 0 {
		return p.History
	}
	return slices.Concat(p.Before, p.History)
}

// Taken tells of every prompt what was taken after what was shown.
func Taken(prompts []Prompt) iter.Seq2[[]int32, int32] {
	return func(yield func([]int32, int32) bool) {
		for _, p := range prompts {
			if !yield(p.History, p.Target) {
				return
			}
		}
	}
}

// Question asks for the ranks of several items that followed one history, such as those of a basket.
type Question struct {
	History []int32 // oldest first
	Targets []int32
	Filter  bool // leave the items of the history out of the ranking
}

// Questions asks for the target of each prompt, by what it shows.
func Questions(prompts []Prompt, filter bool) []Question {
	out := make([]Question, len(prompts))
	for i, p := range prompts {
		out[i] = Question{History: p.History, Targets: []int32{p.Target}, Filter: filter}
	}
	return out
}

// First takes the rank of its first target from each question's ranks: those of Questions have no other.
func First(ranks [][]float64) []float64 {
	out := make([]float64, len(ranks))
	for i, own := range ranks {
		out[i] = own[0]
	}
	return out
}
