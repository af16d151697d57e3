// Package backseat lets computations that nobody waits for stand behind those that somebody does.
//
// It owns that one decision, how far behind. Where the operating system cannot do it for one thread (it can on Linux), nothing is
// changed. It starts no goroutine.
package backseat
