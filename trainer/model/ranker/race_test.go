//go:build race

package ranker

// raceEnabled says that the race detector is on.
const raceEnabled = true
