package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// make integration runs the suites on the servers that TEST_KAFKA and TEST_REDIS name, and says so; it starts none.
func TestIntegration_usesTheServersGiven(t *testing.T) {
	for _, tool := range []string{"make", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool)
		}
	}
	for _, c := range []struct {
		kafka, redis string
		runs         int // of go test
		says         string
	}{
		{"kafka.test:9092", "redis.test:6379", 2, "TEST_KAFKA=kafka.test:9092 TEST_REDIS=redis.test:6379; none is started"},
		{"kafka.test:9092", "", 0, "set both TEST_KAFKA and TEST_REDIS"},
	} {
		calls, work := filepath.Join(t.TempDir(), "calls"), filepath.Join(t.TempDir(), "work")
		stub := filepath.Join(t.TempDir(), "go")
		write(t, stub, "#!/usr/bin/env bash\necho \"$TEST_KAFKA $TEST_REDIS $*\" >>'"+calls+"'\n")
		if err := os.Chmod(stub, 0o700); err != nil { // #nosec G302 -- a program has to be executable
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-C", root, "integration", "GO="+stub, "TEST="+stub+" test") // CI has a TEST of its own in the environment
		cmd.Env = append(os.Environ(), "TEST_KAFKA="+c.kafka, "TEST_REDIS="+c.redis, "TEST_VALKEY=", "SERVERS_DIR="+work)
		out, err := cmd.CombinedOutput()
		if (err == nil) != (c.runs > 0) || !strings.Contains(string(out), c.says) {
			t.Errorf("%+v: %v\n%s", c, err, out)
		}
		said, _ := os.ReadFile(calls) // absent where nothing ran
		lines := strings.Count(string(said), "\n")
		if lines != c.runs || strings.Count(string(said), c.kafka+" "+c.redis+" test ") != c.runs {
			t.Errorf("%+v: go was called so:\n%s", c, said)
		}
		if exists(work) {
			t.Errorf("%+v: servers were made ready", c)
		}
	}
}
