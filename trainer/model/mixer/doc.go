// Package mixer is the learned final score: it turns the figures that the counts and the sequence model give about a
// candidate, and a few about the user, into one score.
//
// The score is a linear part plus up to two hidden layers of rectified units. The hidden layers also see the context
// (what is equal for all candidates of a request), so that a weight can change with how much history the user has; a
// linear score alone cannot do that and was measured to be no better than a hand-set rule. It is fitted by softmax
// cross-entropy over the candidates of a request, an interaction being a vote for its item: in one go on held-out
// baskets (Fit), or as the baskets come (Online).
//
// The package owns the score, its fits and their stored forms, and knows nothing about what the columns mean: package
// ranker names them. It promises that a fit with the same cases, configuration, start and seed gives the same bits,
// whatever the number of workers, that a fitted mixer is finite, and that Scores may be called by any number of
// goroutines. A fit starts at most one goroutine beside its caller's and waits for it before it returns.
package mixer
