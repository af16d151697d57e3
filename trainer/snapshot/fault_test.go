package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var errKilled = errors.New("killed")

// killAt makes operations that stop at the n-th step and do nothing from then on, as a killed process does: not even its
// own cleaning up.
func killAt(n int, steps *[]string) operations {
	return operations{before: func(op, path string) error {
		*steps = append(*steps, op+" "+filepath.Base(path))
		if len(*steps) >= n {
			return errKilled
		}
		return nil
	}}
}

// failAt makes operations whose n-th step alone fails, as on a full disk.
func failAt(n int, steps *[]string) operations {
	return operations{before: func(op, path string) error {
		*steps = append(*steps, op+" "+filepath.Base(path))
		if len(*steps) == n {
			return errors.New("no space left")
		}
		return nil
	}}
}

// leftovers lists what is neither a snapshot nor the lock.
func leftovers(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != lockName && !IsVersion(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// A writer is killed before each of its steps in turn. Whoever opens the folder next sees the snapshot whole or not at
// all, finds no leftovers, and can write it again.
func TestDir_writerKilledAtEveryStep(t *testing.T) {
	t.Parallel() // they wait for the disk
	for n := 1; ; n++ {
		dir := t.TempDir()
		old := write(t, open(t, dir), 1)
		var steps []string
		killed, err := openDir(dir, killAt(n, &steps))
		if err != nil {
			t.Fatal(err)
		}
		m, files := sample(2)
		m, err = killed.Write(t.Context(), m, files)
		if err == nil {
			if n < 15 {
				t.Fatalf("a write takes %d steps only", n-1)
			}
			return
		}
		at := fmt.Sprintf("killed at step %d, %s", n, steps[len(steps)-1])
		if !errors.Is(err, errKilled) {
			t.Fatalf("%s: %v", at, err)
		}
		m, files = sample(2)
		version := Version(2, Hash(files))
		d := open(t, dir)
		if left := leftovers(t, dir); len(left) > 0 {
			t.Fatalf("%s: %v left behind", at, left)
		}
		switch got := versions(t, d); {
		case slices.Equal(got, []string{old.Version}):
			if _, _, err := d.Read(t.Context(), version); !errors.Is(err, ErrNotFound) {
				t.Fatalf("%s: %v", at, err)
			}
		case slices.Equal(got, []string{version, old.Version}):
			if _, _, err := d.Read(t.Context(), version); err != nil {
				t.Fatalf("%s: half a snapshot: %v", at, err)
			}
		default:
			t.Fatalf("%s: versions %v", at, got)
		}
		if _, _, err := d.Read(t.Context(), old.Version); err != nil {
			t.Fatalf("%s: the other version: %v", at, err)
		}
		if m, err = d.Write(t.Context(), m, files); err != nil || m.Version != version {
			t.Fatalf("%s: written again: %v %v", at, m.Version, err)
		}
		if _, _, err := d.Read(t.Context(), version); err != nil {
			t.Fatalf("%s: read after writing again: %v", at, err)
		}
	}
}

// A step fails and the process lives on: it cleans up by itself and the same Dir can write again.
func TestDir_writeFailsAtEveryStep(t *testing.T) {
	t.Parallel() // they wait for the disk
	for n := 1; ; n++ {
		dir := t.TempDir()
		var steps []string
		d, err := openDir(dir, failAt(n, &steps))
		if err != nil {
			t.Fatal(err)
		}
		m, files := sample(1)
		if _, err := d.Write(t.Context(), m, files); err == nil {
			return
		} else if !strings.Contains(err.Error(), "no space left") {
			t.Fatalf("step %d: %v", n, err)
		}
		if left := leftovers(t, dir); len(left) > 0 {
			t.Fatalf("step %d, %s: %v left behind", n, steps[n-1], left)
		}
		if m, err = d.Write(t.Context(), m, files); err != nil {
			t.Fatalf("step %d: second write: %v", n, err)
		}
		if _, _, err := d.Read(t.Context(), m.Version); err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
	}
}

// A deletion cut short leaves the snapshot whole or out of sight.
func TestDir_deleteKilledAtEveryStep(t *testing.T) {
	t.Parallel() // they wait for the disk
	for n := 1; ; n++ {
		dir := t.TempDir()
		m := write(t, open(t, dir), 1)
		var steps []string
		killed, err := openDir(dir, killAt(n, &steps))
		if err != nil {
			t.Fatal(err)
		}
		if err := killed.Delete(t.Context(), m.Version); err == nil {
			return
		}
		d := open(t, dir)
		if left := leftovers(t, dir); len(left) > 0 {
			t.Fatalf("step %d: %v left behind", n, left)
		}
		_, _, err = d.Read(t.Context(), m.Version)
		if listed := len(versions(t, d)) == 1; listed != (err == nil) || err != nil && !errors.Is(err, ErrNotFound) {
			t.Fatalf("step %d: listed %v, read %v", n, listed, err)
		}
	}
}

// The manifest is the last file written, everything is synced before the rename, and the rename before the return.
func TestDir_orderOfSteps(t *testing.T) {
	t.Parallel() // they wait for the disk
	var steps []string
	d, err := openDir(t.TempDir(), killAt(1<<30, &steps))
	if err != nil {
		t.Fatal(err)
	}
	m, files := sample(1)
	if m, err = d.Write(t.Context(), m, files); err != nil {
		t.Fatal(err)
	}
	n := len(steps)
	want := []string{"create manifest.json", "write manifest.json", "sync manifest.json", "syncdir " + tempPrefix + m.Version, "rename " + m.Version, "syncdir " + filepath.Base(d.dir)}
	if !slices.Equal(steps[n-6:], want) {
		t.Errorf("last steps %v, want %v", steps[n-6:], want)
	}
	for name := range files {
		if base := filepath.Base(name); slices.Index(steps, "sync "+base) <= slices.Index(steps, "write "+base) {
			t.Errorf("%s is not synced after it is written: %v", name, steps)
		}
	}
	for _, dir := range []string{"sequence", "x"} {
		if !slices.Contains(steps, "syncdir "+dir) {
			t.Errorf("folder %s is not synced", dir)
		}
	}
}

// Opening beside a live writer leaves its temporary folder alone.
func TestOpenDir_leavesALiveWriterAlone(t *testing.T) {
	t.Parallel() // they wait for the disk
	dir := t.TempDir()
	opened := false
	d, err := openDir(dir, operations{})
	if err != nil {
		t.Fatal(err)
	}
	d.ops.before = func(op, path string) error {
		if op == "rename" {
			open(t, dir)
			opened = true
		}
		return nil
	}
	m := write(t, d, 1)
	if _, _, err := d.Read(t.Context(), m.Version); err != nil || !opened {
		t.Errorf("opened %v: %v", opened, err)
	}
}
