package lmtest

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// EnvPython names the environment variable that names a Python interpreter with PyTorch, transformers and PEFT.
const EnvPython = "SOFTREC_PYTHON"

// Python runs a script with arguments by the interpreter that the environment names, and fails the test where the script
// fails; the end of its output goes to the test's log. Without an interpreter, or one that lacks a module that the script
// imports, the test is skipped with the reason.
func Python(t testing.TB, script string, args ...string) {
	t.Helper()
	interpreter := os.Getenv(EnvPython)
	if interpreter == "" {
		t.Skipf("%s names no Python interpreter with PyTorch, transformers and PEFT", EnvPython)
	}
	out, err := exec.CommandContext(t.Context(), interpreter, append([]string{"-W", "ignore", script}, args...)...).CombinedOutput() // #nosec G204 G702 -- the command is the program itself or the one that the operator names
	switch {
	case err != nil && bytes.Contains(out, []byte("ModuleNotFoundError")):
		t.Skipf("%s: %s: %s", EnvPython, interpreter, last(out))
	case err != nil:
		t.Errorf("%s: %v\n%s", script, err, last(out))
	default:
		t.Logf("%s: %s", script, last(out))
	}
}

// last is the end of an output, where Python says what was wrong.
func last(out []byte) string {
	const enough = 1000
	return strings.TrimSpace(string(out[max(0, len(out)-enough):]))
}
