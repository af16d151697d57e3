// Package soft is Self-Optimized Fine-Tuning (Tang et al. 2025, arXiv 2505.20771), the algorithm alone: which targets a
// learner sees, with what weight, for how many epochs, and which of its states is kept.
//
// Vocabulary. D is the real data: prompts x_i, each with a real target y_i. The teacher is a model tuned on D. D' is the
// teacher's own answer y'_i to every prompt; it is easier to learn. The student is trained on both, the easy target
// with weight lambda and the real one with 1 - lambda, and a Schedule moves lambda once per epoch. d is the mean
// distance between the answers and the real targets on a fixed set of probe prompts, in a frozen item space E.
//
// It owns no data and no weights: both live in the Learner, which may be a table, a sequence model over item ids or a
// language model; nothing here can tell. It promises that the same learner, configuration, states and seed give the
// same passes and the same Record, and that a run which returns without an error leaves the best state loaded (the
// authors' published program keeps the last). It needs a Learner whose every method is a function of its state and its
// arguments. It does no I/O, reads no clock and starts no goroutine; a context ends a run between two steps, and
// within one as soon as the learner heeds it.
package soft
