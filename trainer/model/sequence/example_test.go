package sequence_test

import (
	"fmt"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// The scores of the next item, from a history of vocabulary indices.
func Example() {
	w, err := sequence.NewWeights(sequence.DefaultConfig(), 100, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	scores := make([]float32, w.Vocab())
	fmt.Println(w.Scores([]int32{12, 7, 42}, scores))
	fmt.Println(w.Scores(nil, scores)) // nobody to score for
	// Output:
	// true
	// false
}
