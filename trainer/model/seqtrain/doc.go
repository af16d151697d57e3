// Package seqtrain trains the attention network of package sequence and gives it to SOFT as a learner.
//
// A step is the forward pass of sequence over a batch, the loss and its gradients. On a tensor compiler it is one run of a gomlx graph.
// On gomlx's pure-Go backend it is computed by hand instead (type native), with gonum's products: on two threads a third of the time, as
// those products are assembly and nothing is computed for empty slots and masked positions. A test holds the two equal, output by output.
// Everything around the graph is Go: rows of the item table are picked before it and their gradients added back
// after it, dropout masks are drawn for it, and Adam (Kingma and Ba 2015, arXiv 1412.6980) runs on plain slices.
// That has three reasons, all of the graph. With a sampled softmax no shape depends on the vocabulary, so a growing catalogue does not
// recompile. The pure-Go backend needs 2 ms for a gather or scatter of 3,200 rows and fourteen passes over every
// weight for Adam; a loop in Go needs a fraction. And the state is a handful of slices: saved, loaded and compared bit by bit.
//
// Short examples are packed together into rows of MaxLen slots with a block-diagonal mask, so no time goes into
// padding and every batch but the last has one shape.
//
// The loss is the softmax cross-entropy over the catalogue, exact for small ones, else over a sample of items
// shared by the batch, each weighted by the inverse of its chance to be drawn (the correction for the sampling that is known
// as logQ; here an unbiased Horvitz-Thompson estimate of the partition sum). Both targets of a position share one
// forward pass and one set of logits, so mixing D and D' costs nothing.
//
// Randomness comes from Pass.Seed alone, never from history: a resumed training equals an unbroken one, bit by bit on
// one backend. The Go backend can deadlock inside a step (two pools of workers waiting for each other); a watchdog
// turns that into ErrStuck. The stuck goroutines cannot be ended, and the backend must be thrown away. Otherwise
// the package starts goroutines only inside a call and waits for them.
//
// A Learner is for one goroutine at a time.
package seqtrain
