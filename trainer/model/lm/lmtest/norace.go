//go:build !race

package lmtest

const raceEnabled = false
