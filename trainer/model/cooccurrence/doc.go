// Package cooccurrence puts items on a map by what users take after what: two items lie near each other where they are taken in the same
// company, whatever they are called. It is an item space E for the distances of SOFT, which needs one in which answers can come nearer to
// the real targets: in the space of a language model's titles the untuned model is as near as it will ever be.
//
// The map is a factorisation of positive pointwise mutual information, as in Levy and Goldberg 2014, "Neural Word Embedding as Implicit
// Matrix Factorization", with the smoothed contexts of Levy, Goldberg and Dagan 2015 (TACL 3), by the randomised method of Halko, Martinsson and
// Tropp 2011 (arXiv 0909.4061).
//
// It owns what it has built and nothing else. Equal input gives an equal map. Building takes memory by the pairs it is told, looking up none.
// It starts no goroutine and does no I/O; a Space is safe for concurrent use.
package cooccurrence
