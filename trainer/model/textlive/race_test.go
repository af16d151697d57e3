//go:build race

package textlive

const raceEnabled = true
