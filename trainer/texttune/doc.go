// Package texttune is the trainer's Tuner for a language model: it turns the prompts of a round into a learner of the
// model's kind (package textlive: retrieval for encoders, generative for decoders) and tunes an adapter by Self-Optimized
// Fine-Tuning (trainer/soft), from the live adapter, or at first from one that is given.
//
// It stands apart from package trainer so that the rounds need to know nothing of language models but what they hand over
// and get back. It owns no state between rounds, promises the same adapter for the same task and titles on one backend,
// and starts no goroutine.
package texttune
