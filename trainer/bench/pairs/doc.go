// Package pairs measures contestants fairly on one machine: each is a process of its own that answers one line of JSON per line,
// started before the first measurement; one measures at a time while the others wait; their turns alternate, so that a machine
// that slows down slows all of them, and ratios are taken within a round.
//
// It owns the two ends of that conversation and the sums over rounds, and knows nothing of what is measured. A Child must be
// stopped by who started it. The package starts no goroutine of its own.
package pairs
