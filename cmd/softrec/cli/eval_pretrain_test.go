package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder that holds something is refused before anything is read, and is left as it is.
func TestEvalPretrain_refusesAFullFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.json")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := softrec(t, nil, "eval", "pretrain", "--items", filepath.Join(dir, "nowhere.tsv"), "--out", dir)
	if err == nil || !strings.Contains(err.Error(), "--out") || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("error %v", err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "mine" {
		t.Errorf("the file is %q, %v", got, err)
	}
}
