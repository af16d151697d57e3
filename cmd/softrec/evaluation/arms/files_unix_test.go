//go:build unix

package arms

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Pipes that are ordered by time are compared as files are. Others are refused: what was read of them is gone.
func TestCompareFiles_pipes(t *testing.T) {
	ims, out := madeUp(2, 700)
	want, err := Compare(ims, out, clicks)
	if err != nil {
		t.Fatal(err)
	}
	piped := func(paths ...string) (Report, error) {
		dir := t.TempDir()
		var writers sync.WaitGroup
		defer writers.Wait()
		var pipes []string
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			pipe := filepath.Join(dir, filepath.Base(path))
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			pipes = append(pipes, pipe)
			writers.Go(func() {
				w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = w.Write(text) // a reader that refuses goes away
				_ = w.Close()
			})
		}
		return CompareFiles(pipes[0], pipes[1], clicks)
	}
	if got, err := piped(written(t, ims, out)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ordered: %v, %+v", err, got)
	}
	half := len(ims) / 2
	got, err := piped(written(t, append(ims[half:len(ims):len(ims)], ims[:half]...), out))
	if err == nil || !strings.Contains(err.Error(), "not ordered by time") || !strings.Contains(err.Error(), "read again") {
		t.Errorf("unordered: %v, %+v", err, got)
	}
}
