//go:build race

package experiment

import "testing"

// skipUnderRace: gomlx's Go backend walks memory by uintptr, which the pointer checks of -race end the process for.
func skipUnderRace(t *testing.T) {
	t.Skip("gomlx's Go backend cannot run under -race")
}
