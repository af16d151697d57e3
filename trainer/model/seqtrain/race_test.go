//go:build race

package seqtrain

const raceEnabled = true
