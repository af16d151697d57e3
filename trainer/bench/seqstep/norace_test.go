//go:build !race

package seqstep

const raceEnabled = false
