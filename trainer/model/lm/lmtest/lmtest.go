// Package lmtest opens backends for the tests of language models, and says where they cannot run.
//
// It owns that knowledge alone, and promises that a backend it opens is finalised when its test ends. It needs no network:
// XLA is tested where the environment names a plugin. It starts no goroutine. Only tests import it.
package lmtest

import (
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/backend"
)

// The backends that there are.
const (
	Go  = "go"  // pure Go
	XLA = "xla" // a PJRT plugin
)

// Names lists the backends that can be tested here: pure Go always, XLA where the environment names a plugin.
func Names() []string {
	if plugin := os.Getenv(backend.EnvPlugin); plugin != "" && plugin != backend.None {
		return []string{Go, XLA}
	}
	return []string{Go}
}

// Open opens the backend of that name until the test ends. A test on Go is skipped where SkipChecked skips.
func Open(t testing.TB, name string) compute.Backend {
	t.Helper()
	cfg := backend.DefaultConfig()
	if name == Go {
		SkipChecked(t)
		cfg.Plugin = backend.None
	}
	be, _, err := backend.Open(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(be.Finalize)
	return be
}

// Each runs a test on every backend that Names lists.
func Each(t *testing.T, test func(t *testing.T, be compute.Backend)) {
	t.Helper()
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) { test(t, Open(t, name)) })
	}
}

// SkipRaced skips a test under the race detector, which slows tensor maths ten times and more. why says what leaves the
// detector nothing to find: maths of one goroutine, or another test that races the same code.
func SkipRaced(t testing.TB, why string) {
	t.Helper()
	if raceEnabled {
		t.Skip("not under the race detector: " + why)
	}
}

// SkipChecked skips a test of the pure-Go backend in a -race run that checks gomlx's pointers. Its matrix products walk memory
// by uintptr, which is sound (the buffers do not move and outlive the walk) but ends such a process; `make race` leaves
// that one module unchecked.
func SkipChecked(t testing.TB) {
	t.Helper()
	info, ok := debug.ReadBuildInfo()
	if !raceEnabled || !ok {
		return
	}
	unchecked := slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool {
		return s.Key == "-gcflags" && strings.Contains(s.Value, "checkptr=0")
	})
	if !unchecked {
		t.Skip("gomlx's Go backend cannot run under -race without -gcflags='github.com/gomlx/compute/...=-d=checkptr=0'")
	}
}
