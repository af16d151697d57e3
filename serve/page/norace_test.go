//go:build !race

package page_test

// underRace says that the race detector is on.
const underRace = false
