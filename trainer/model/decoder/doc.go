// Package decoder writes text with a decoder of package lm: greedily or by beam search, freely or held to the titles of a
// catalogue, and scores titles that are given.
//
// It owns the search, the cache of keys and values on the device and the buckets of lengths and batch sizes that keep the
// number of compiled shapes small. It promises the beams of transformers' generate (num_beams, length_penalty,
// early_stopping, do_sample=False), one log-probability like the other up to rounding; that a search held to a
// titles.Trie returns items that were in the catalogue when the call began, and only those; and that a prompt's result does not
// depend on the prompts beside it but for rounding. It needs an lm.Base of a decoder family and prompts as token ids,
// complete: with the begin token where the family wants one (Generator.Text puts it there).
//
// A prompt is read once, whatever the number of beams: its keys and values lie in one cache that all its beams share, and each
// beam has a short one of its own for the new tokens, which is all that is copied when beams are reordered.
//
// The package starts no goroutine beyond those of lm's runs. A Generator is safe for concurrent use.
package decoder
