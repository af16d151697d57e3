package endtoend

import (
	"os/exec"
	"strings"
	"testing"
)

// A second process on one data folder ends at its start and says why; the first goes on.
func TestAll_twoProcessesOnOneFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("builds softrec and runs it")
	}
	bin, dir := binary(t), t.TempDir()
	p := start(t, bin, dir, freeAddr(t))
	out, err := exec.Command(bin, "all", "--data-dir", dir, "--serve-listen", "127.0.0.1:0", "--serve-admin-listen", "127.0.0.1:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another softrec process uses it") || !strings.Contains(string(out), dir) {
		t.Errorf("the second process: %v\n%s", err, out)
	}
	if p.refused("u1") {
		t.Error("the first process takes no events any more")
	}
	p.stop()
}
