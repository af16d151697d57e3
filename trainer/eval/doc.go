// Package eval measures rankings: the rank of what really came next, HR, NDCG and MRR over many ranks, sums of them that
// run, roll or merge, and paired comparisons of two models on the same cases: by case, by user (Cluster), over draws of the
// users, and again and again as the cases come (Sequential).
//
// A rank counts from 1, takes the middle of a tie (so it may end in .5), and is infinite for a target that was not ranked
// at all: an unseen item is a miss, never left out. Everything is a plain function of its arguments and a seed; the
// package does no I/O and starts no goroutine. Values are not safe for concurrent use.
package eval
