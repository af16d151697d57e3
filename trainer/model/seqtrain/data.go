package seqtrain

// Example is one training sequence. Items and Targets have the same length: Targets[i] is the real item that
// follows Items[:i+1], and 0 where position i carries no loss. The caller prepares it basket-aware, so that no
// position sees an item of its own target's basket.
type Example struct {
	Items   []int32    // oldest first; indices of the vocabulary, 0 and unknown ones are dropped
	Targets []int32    // one per item; 0 = no loss here
	Sides   [][2]int32 // per item: rows of the table of side inputs, 0 = none. nil but for a varied network with sides
}

// Case is one question of the validation part: which items followed History?
type Case struct {
	History []int32    // oldest first
	Targets []int32    // the real items that followed, at least one
	Sides   [][2]int32 // as in Example
}

// Data is what one Learner learns from and is judged on.
type Data struct {
	Train      []Example
	Validation []Case
}
