// Package model is the roof over the parts of the recommendation model: vocab (item ids as dense indices), counts
// (transitions, popularity and repeats, learnt per event), sequence (the attention network and its inference),
// mixer (the learned final score) and ranker (all of them as one immutable bundle). seqtrain trains the network and
// backend opens the tensor backend for it.
//
// It holds no code and starts no goroutine. Only seqtrain and backend import gomlx: whatever serves answers stays
// free of it, so that a server neither links a tensor compiler nor depends on one being usable.
package model
