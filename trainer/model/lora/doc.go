// Package lora is the trainable part of a tuned language model: low-rank adapters (LoRA, Hu et al. 2021,
// arXiv 2106.09685), their files, and the optimiser that moves them.
//
// It owns the numbers only, as plain float32 slices on the host; package lm builds the graphs that use them. It
// promises one fixed order of tensors (Adapter.Flat), so that gradients, moments and files agree; that New and AdamW
// give the same bits for the same arguments; and that Decode and ImportPEFT refuse what does not fit instead of
// guessing. An adapter is not safe for use by a writer beside readers: Clone it first. No goroutines are started.
package lora
