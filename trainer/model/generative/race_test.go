//go:build race

package generative

const raceEnabled = true
