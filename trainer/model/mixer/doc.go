// Package mixer is the learned final score: it turns the figures that the counts and the sequence model give about a
// candidate, and a few about the user, into one score.
//
// The score is a linear part plus one small hidden layer of rectified units. The hidden layer also sees the context
// (what is equal for all candidates of a request), so that a weight can change with how much history the user has; a
// linear score alone cannot do that and was measured to be no better than a hand-set rule. It is fitted by softmax
// cross-entropy over the candidates of a request, an interaction being a vote for its item.
//
// The package owns the score, its fit and its JSON form, and knows nothing about what the columns mean: package ranker
// names them. It promises that a fit with the same cases, configuration, start and seed gives the same bits, that a
// fitted mixer is finite, and that Scores may be called by any number of goroutines. It starts no goroutine.
package mixer
