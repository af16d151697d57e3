package generative

import "github.com/softrec/softrec/trainer/model/titles"

// allow marks, for each position of a target, the tokens that lead to a real title from what is written before it: MSL's
// mask (arXiv 2504.04178). out holds len(target) rows of vocab flags, all false on entry. The end of text is allowed
// where a title ends. From the first token on that leaves the catalogue (a distilled raw text may) every token is allowed:
// the plain softmax.
func allow(out []bool, vocab int, view titles.View, target []int32, eos int32) {
	at := view.Root()
	var next []int32
	for i, tok := range target {
		row := out[i*vocab : (i+1)*vocab]
		next = next[:0]
		if at.OK() {
			next = at.Children(next)
			if at.Ends() {
				next = append(next, eos)
			}
			at = at.Child(tok)
		}
		if !mark(row, next, tok) {
			for j := range row {
				row[j] = true
			}
		}
	}
}

// mark sets the flags of tokens and says whether that of want is among them.
func mark(row []bool, tokens []int32, want int32) bool {
	for _, t := range tokens {
		if int(t) < len(row) {
			row[t] = true
		}
	}
	return row[want]
}
