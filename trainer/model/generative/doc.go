// Package generative trains decoders (Llama, Qwen2) to write the title of a user's next item, and gives them to SOFT as a
// learner: the paper's own form of recommender (arXiv 2505.20771), built on BIGRec (arXiv 2308.08434).
//
// It owns the prompt (Prompter, one builder for training and inference), the learner's bookkeeping, the ranking of a
// catalogue by what a decoder writes, and the pretraining of a small decoder from scratch (Pretrain). A target is a title and
// the end-of-text token; the loss is the cross-entropy of these tokens alone, over the whole vocabulary or, with MSL
// (arXiv 2504.04178), over the tokens that lead to a real title from where the text stands.
//
// It promises what soft.Learner asks: the same start, data, seed and passes give the same bits on one backend, and a resumed
// run equals an unbroken one. An Engine is for one goroutine at a time; the package starts none of its own. It needs a
// base model on a backend (package lm), its tokenizer and the titles as token ids.
package generative
