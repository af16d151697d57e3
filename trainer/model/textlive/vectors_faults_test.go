package textlive

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"
)

// fullDisk writes half of what it is given.
type fullDisk struct {
	storage
	stays bool // what was written: the file cannot be cut either
}

func (d fullDisk) WriteAt(b []byte, at int64) (int, error) {
	n, err := d.storage.WriteAt(b[:len(b)/2+1], at)
	if err != nil {
		return n, err
	}
	return n, syscall.ENOSPC
}

func (d fullDisk) Truncate(size int64) error {
	if d.stays {
		return syscall.EIO
	}
	return d.storage.Truncate(size)
}

// A full disk holds no title up, is reported once, and when there is room again everything is kept.
func TestVectors_fullDisk(t *testing.T) {
	for _, stays := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			shop, dir := shopOf(0, 30), t.TempDir()
			var said bytes.Buffer
			r := startRuntime(t, &bag{}, shop, dir, slog.New(slog.NewTextHandler(&said, nil)))
			sync1(t, r)
			disk := r.kept.file
			r.kept.file = fullDisk{disk, stays}
			for i := range 20 {
				shop.put(fmt.Sprint("new", i), fmt.Sprint("other", i))
				if sync1(t, r); r.Len() != 31+i {
					t.Fatalf("%d titles after %d arrived", r.Len(), i+1)
				}
				time.Sleep(retryAfter / 5)
			}
			if n := strings.Count(said.String(), "are not kept"); n != 1 {
				t.Errorf("said %d times that the file is not written:\n%s", n, said.String())
			}
			n := live(t, shop, copied(t, dir), func(again *Runtime) {
				sync1(t, again)
				for id := range r.entries {
					_, want, _ := r.Item(id)
					if _, vec, _ := again.Item(id); !slices.Equal(vec, want) {
						t.Errorf("%s has another vector after a crash", id)
					}
				}
			})
			if n > 20 || n < 20 && !stays {
				t.Errorf("%d titles encoded after a crash, want those that were not kept", n)
			}
			r.kept.file = disk
			shop.put("last", "title")
			sync1(t, r)
			time.Sleep(retryAfter)
			sync1(t, r)
			if n := strings.Count(said.String(), "are kept again"); n != 1 {
				t.Errorf("said %d times that the file is written again", n)
			}
			end(t, r)
			if n := live(t, shop, dir, func(r *Runtime) { sync1(t, r) }); n != 0 {
				t.Errorf("%d titles encoded again", n)
			}
		})
	}
}

// A file that can be neither read nor written is reported, and holds no title up.
func TestVectors_cannotBeOpened(t *testing.T) {
	shop, dir := shopOf(0, 3), t.TempDir()
	live(t, shop, dir, func(r *Runtime) { sync1(t, r) })
	files, err := filepath.Glob(filepath.Join(dir, "*.vectors"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	kept, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(files[0]), os.Mkdir(files[0], 0o700)); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	r := startRuntime(t, &bag{}, shop, dir, slog.New(slog.NewTextHandler(&said, nil)))
	if sync1(t, r); r.Len() != 3 || !strings.Contains(said.String(), "level=WARN") || !strings.Contains(said.String(), files[0]) {
		t.Errorf("%d titles; said %q", r.Len(), said.String())
	}
	end(t, r)
	if err := errors.Join(os.Remove(files[0]), os.WriteFile(files[0], kept, 0o600)); err != nil {
		t.Fatal(err)
	}
	if n := live(t, shop, dir, func(r *Runtime) { sync1(t, r) }); n != 0 {
		t.Errorf("%d titles encoded again", n)
	}
}

// copied is the folder as a crash at this moment would leave it.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// Of the processes of one folder one writes; another reads what it finds, says so, and harms nothing.
func TestVectors_twoProcesses(t *testing.T) {
	mine, theirs, dir := shopOf(0, 30), shopOf(0, 30), t.TempDir()
	first := startRuntime(t, &bag{}, mine, dir, nil)
	sync1(t, first)
	var said bytes.Buffer
	enc := &bag{}
	second := startRuntime(t, enc, theirs, dir, slog.New(slog.NewTextHandler(&said, nil)))
	sync1(t, second)
	if n := enc.count(); n != 0 || !strings.Contains(said.String(), "another process") {
		t.Errorf("the second encoded %d titles and said %q", n, said.String())
	}
	for i := range 5 {
		mine.put(fmt.Sprint("m", i), fmt.Sprint("mine", i))
		theirs.put(fmt.Sprint("t", i), fmt.Sprint("theirs", i))
		sync1(t, first)
		sync1(t, second)
	}
	if second.Len() != 35 {
		t.Errorf("the second has %d titles", second.Len())
	}
	end(t, first)
	end(t, second)
	if n := live(t, mine, dir, func(r *Runtime) { sync1(t, r) }); n != 0 {
		t.Errorf("%d titles of the one who writes encoded again", n)
	}
}

// The second process of a folder in which there is no file yet goes without.
func TestVectors_anotherHasJustBegun(t *testing.T) {
	shop, dir := shopOf(0, 3), t.TempDir()
	live(t, shop, dir, func(*Runtime) {}) // which names the files
	locks, err := filepath.Glob(filepath.Join(dir, "*.lock"))
	files, err2 := filepath.Glob(filepath.Join(dir, "*.vectors"))
	if err != nil || err2 != nil || len(locks) != 1 || len(files) != 1 {
		t.Fatal(locks, files, err, err2)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	lock := flock.New(locks[0])
	if ok, err := lock.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	defer func() { _ = lock.Close() }()
	live(t, shop, dir, func(r *Runtime) {
		if sync1(t, r); r.Len() != 3 {
			t.Errorf("%d titles", r.Len())
		}
	})
	if _, err := os.Stat(files[0]); err == nil {
		t.Error("it made a file that another has locked")
	}
}
