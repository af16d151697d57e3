//go:build !race

package texttune_test

const raceEnabled = false
