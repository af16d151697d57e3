//go:build !race

package seqtrain

const raceEnabled = false
