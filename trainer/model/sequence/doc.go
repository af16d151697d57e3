// Package sequence is the attention network over item ids: its weights, their file format and a hand-written
// inference of the next item, free of any tensor library.
//
// The network is a causal self-attention recommender in the line of SASRec (Kang and McAuley 2018, arXiv 1808.09781)
// with the item table tied to the output, as gSASRec (arXiv 2308.07192) and eSASRec (arXiv 2508.06450) keep it:
//
//	x_i  = items[id_i]*sqrt(dim) + positions[MaxLen-n+i]     the newest item always has the last position
//	x   += o . attention(q.r(x), k.r(x), v.r(x))             causal; r divides by the root mean square
//	x   += ff2 . relu(ff1 . r(x) + ff1_bias)
//	score(item) = items[item] . (norm * r(x_n))
//
// Normalisation comes before each part (pre-norm, which trains without warm-up) and is by root mean square
// without a gain, because the matrix that follows can hold one; only the last, before the tied table, has its own.
//
// A Weights is immutable for its readers: Scores and the other inference calls may run from any number of
// goroutines while nobody writes to its tensors. seqtrain trains a copy. The package starts goroutines only inside
// ScoresBatch and Answers, and waits for them. Initial values depend on (seed, row) alone, so a table grown in
// several steps equals one made at once.
package sequence
