// Package counts is the learner that learns per event: what follows and goes with what, popularity with decay, what a user
// repeats, and what users like this one took. It is the cold-start path, the baseline every network has to beat, and most of
// the ranker's columns.
//
// It owns those counts and their binary form. It promises that the same observations in the same order give the same
// bytes, that memory stays bounded (136 bytes an item; 8 bytes for each of at most MaxSuccessors successors and, in three more tables, of at most
// 256 partners, twice that while a row grows; 2 kB for the takers of an item, and 60 MB for the profiles of 50,000 users), and that a clone costs one pass over the items' figures, because transition rows are shared until
// one side changes them. It needs dense item indices (package vocab) and, with every observation, the history as it
// stood before the observation's basket: nothing here looks at a clock or at the future. Counts that nobody updates may
// be read by any number of goroutines; Update needs its Counts to itself. It starts no goroutine.
package counts
