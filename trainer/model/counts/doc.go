// Package counts is the learner that learns per event: windowed item-to-item transitions, popularity with decay, and
// what a user repeats. It is the cold-start path, the baseline every network has to beat, and a feature of the ranker.
//
// It owns those counts and their binary form. It promises that the same observations in the same order give the same
// bytes, that memory stays bounded (64 bytes an item, and 8 for each of at most MaxSuccessors successors, twice that
// while a row grows), and that a clone costs one pass over the items' figures, because transition rows are shared until
// one side changes them. It needs dense item indices (package vocab) and, with every observation, the history as it
// stood before the observation's basket: nothing here looks at a clock or at the future. Counts that nobody updates may
// be read by any number of goroutines; Update needs its Counts to itself. It starts no goroutine.
package counts
