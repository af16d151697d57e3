// Package rival holds the models that a log is asked of: popularity, decayed popularity, a user's repeats and windowed
// transitions, each counted here on its own so that the yardstick never moves with the product, and those that come out of
// a rehearsal of the real trainer.
//
// Every model is a Contender. It is told a basket only after it has answered for it: a Question has no targets, and what a
// contender knows it knows from Learn. The caller asks and tells baskets in the order of the log, from one goroutine; the
// package starts none. The same baskets give the same answers, bit for bit.
package rival
