// Package configtest helps tests that start softrec as a process.
//
// It owns nothing and starts no goroutine. It promises that a process which such a test starts is refused no variable that is there for tests.
package configtest

import (
	"errors"
	"os"

	"github.com/softrec/softrec/cmd/softrec/config"
)

// DropTestVariables removes from the environment what begins as a setting and is none: SOFTREC_MINILM and other variables of tests, which softrec
// refuses to know. It is for TestMain: it changes the environment of the whole binary.
func DropTestVariables() {
	_, err := config.Load(config.Sources{Environ: os.Environ()})
	var faults config.Faults
	if !errors.As(err, &faults) {
		return
	}
	for _, f := range faults {
		if f.Origin == config.FromEnviron {
			_ = os.Unsetenv(f.Key) // fails for no name that was there
		}
	}
}
