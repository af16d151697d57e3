// Package seqstep is the work of the comparison of sequence training with PyTorch: synthetic data, the worlds that contestants
// read, softrec's side of a training step and, embedded, PyTorch's.
//
// A world is a folder with the same network, weights, data and settings for every contestant. Rows are full, so that
// neither side's way with short histories counts, and items follow Zipf's law, as catalogues do. There are two kinds:
// one to time, as the product trains, and one to check that both sides compute the same thing: without dropout and, where the softmax
// is sampled, with a sample that chance cannot change, so that losses must agree step by step, through Adam.
//
// The same shape and seed give the same bytes. Serve runs until its input ends and starts no goroutine of its own.
package seqstep
