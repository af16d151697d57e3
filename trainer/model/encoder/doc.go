// Package encoder turns texts into vectors of length 1 with the encoder of a language model (package lm): the sentence
// embeddings that retrieval compares (Reimers and Gurevych 2019, arXiv 1908.10084).
//
// It owns the batching: special tokens, cutting, padding to a few lengths and batch sizes, so that a backend compiles few graphs. It
// promises vectors equal to sentence-transformers' up to rounding, output in the order of the input, and that a text's
// vector does not depend on its neighbours beyond rounding. Pool is the same pooling for training graphs. It needs an lm.Base, which must outlive the Encoder.
//
// An Encoder starts no goroutine of its own and is safe for concurrent use.
package encoder
