package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
)

func open(t testing.TB, dir string) *Dir {
	t.Helper()
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sample is a snapshot whose content depends on the round.
func sample(round int) (schema.Manifest, map[string][]byte) {
	return schema.Manifest{
			Round: round, Learner: "sequence", CreatedAt: time.Unix(int64(round), 0).UTC(), Seed: 7, Backend: "go",
			Offsets: map[string]int64{"0": 12}, Metrics: map[string]float64{"hr10": 0.1}, Config: json.RawMessage(`{"dim":16}`),
		}, map[string][]byte{
			"vocab.txt":         []byte("a\nb\n"),
			"counts.bin":        fmt.Appendf(nil, "round %d", round),
			"sequence/w.bin":    make([]byte, 1000),
			"sequence/x/y.bin":  {1, 2, 3},
			"sequence/none.bin": {},
		}
}

func write(t testing.TB, s Store, round int) schema.Manifest {
	t.Helper()
	m, files := sample(round)
	got, err := s.Write(t.Context(), m, files)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func versions(t testing.TB, s Store) []string {
	t.Helper()
	all, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	vs := []string{}
	for _, m := range all {
		vs = append(vs, m.Version)
	}
	return vs
}

func TestDir_readsWhatWasWritten(t *testing.T) {
	t.Parallel() // they wait for the disk
	d := open(t, t.TempDir())
	written := write(t, d, 12)
	if want := fmt.Sprintf("r000012-%s", written.Hash[:8]); written.Version != want || !IsVersion(want) {
		t.Errorf("version %q, want %q", written.Version, want)
	}
	m, files, err := open(t, d.dir).Read(t.Context(), written.Version)
	if err != nil {
		t.Fatal(err)
	}
	_, want := sample(12)
	for name, b := range want {
		if !slices.Equal(files[name], b) {
			t.Errorf("%s: %v, want %v", name, files[name], b)
		}
	}
	if len(files) != len(want) {
		t.Errorf("%d files, want %d", len(files), len(want))
	}
	var config map[string]int // the manifest is indented on disk, so its raw config is too
	if err := json.Unmarshal(m.Config, &config); err != nil || config["dim"] != 16 {
		t.Errorf("config %s: %v", m.Config, err)
	}
	m.Config, written.Config = nil, nil
	if !reflect.DeepEqual(m, written) {
		t.Errorf("manifest\n%+v, want\n%+v", m, written)
	}
	if bad, err := d.Damaged(t.Context()); err != nil || len(bad) > 0 {
		t.Errorf("damaged %v (%v)", bad, err)
	}
}

func TestDir_writingAgainChangesNothing(t *testing.T) {
	t.Parallel() // they wait for the disk
	d := open(t, t.TempDir())
	first := write(t, d, 1)
	m, files := sample(1)
	m.CreatedAt = time.Unix(99, 0).UTC() // a repeated round has another clock
	again, err := d.Write(t.Context(), m, files)
	if err != nil || again.Version != first.Version || !again.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("%+v (%v), want the stored one", again, err)
	}
	if got := versions(t, d); len(got) != 1 {
		t.Errorf("versions %v", got)
	}
}

func TestDir_listsNewestFirstAndDeletes(t *testing.T) {
	t.Parallel() // they wait for the disk
	d := open(t, t.TempDir())
	var want []string
	for _, round := range []int{3, 1, 2, 1_000_000} {
		want = append(want, write(t, d, round).Version)
	}
	want = []string{want[3], want[0], want[2], want[1]}
	if got := versions(t, d); !slices.Equal(got, want) {
		t.Errorf("versions %v, want %v", got, want)
	}
	if err := d.Delete(t.Context(), want[1]); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Read(t.Context(), want[1]); !errors.Is(err, ErrNotFound) {
		t.Errorf("read of the deleted one: %v", err)
	}
	if err := d.Delete(t.Context(), want[1]); !errors.Is(err, ErrNotFound) {
		t.Errorf("second deletion: %v", err)
	}
	if got := versions(t, d); len(got) != 3 {
		t.Errorf("versions %v", got)
	}
}

func TestDir_unknownVersions(t *testing.T) {
	t.Parallel() // they wait for the disk
	d := open(t, t.TempDir())
	for _, v := range []string{"", "r000001-01234567", "../etc", ".lock", "r000001-01234567/..", "latest"} {
		if _, _, err := d.Read(t.Context(), v); !errors.Is(err, ErrNotFound) {
			t.Errorf("read %q: %v", v, err)
		}
		if err := d.Delete(t.Context(), v); !errors.Is(err, ErrNotFound) {
			t.Errorf("delete %q: %v", v, err)
		}
	}
}

func TestDir_refusesBadSnapshots(t *testing.T) {
	t.Parallel() // they wait for the disk
	d := open(t, t.TempDir())
	for _, name := range []string{"", ".", "..", "../x", "/x", "a/../b", "a//b", "a/", `a\b`, "C:x", "manifest.json", "a\nb", strings.Repeat("x", 200)} {
		m, _ := sample(1)
		if _, err := d.Write(t.Context(), m, map[string][]byte{name: {1}}); err == nil {
			t.Errorf("file name %q was taken", name)
		}
	}
	m, files := sample(-1)
	if _, err := d.Write(t.Context(), m, files); err == nil {
		t.Error("round -1 was taken")
	}
	m, _ = sample(1)
	if _, err := d.Write(t.Context(), m, nil); err == nil {
		t.Error("a snapshot without files was taken")
	}
	m, files = sample(1)
	m.Learner = ""
	if _, err := d.Write(t.Context(), m, files); err == nil {
		t.Error("a manifest without a learner was taken")
	}
	m, _ = sample(1)
	if _, err := d.Write(t.Context(), m, map[string][]byte{"a": {1}, "a/b": {2}}); err == nil {
		t.Error("a name was taken as a file and as a folder")
	}
	entries, _ := os.ReadDir(d.dir)
	for _, e := range entries {
		if e.Name() != lockName {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

// Every kind of damage is found on reading, named, and hides no other version.
func TestDir_findsDamage(t *testing.T) {
	t.Parallel() // they wait for the disk
	for name, c := range map[string]struct {
		damage func(dir string) error
		file   string
	}{
		"flipped byte": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "counts.bin"), []byte("rouNd 2"), 0o644)
		}, "counts.bin"},
		"cut short": {func(dir string) error { return os.Truncate(filepath.Join(dir, "sequence/w.bin"), 10) }, "sequence/w.bin"},
		"grown":     {func(dir string) error { return os.Truncate(filepath.Join(dir, "sequence/w.bin"), 1<<40) }, "sequence/w.bin"},
		"missing":   {func(dir string) error { return os.Remove(filepath.Join(dir, "vocab.txt")) }, "vocab.txt"},
		"a folder for a file": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "vocab.txt")), os.Mkdir(filepath.Join(dir, "vocab.txt"), 0o755))
		}, "vocab.txt"},
		"a pipe for a manifest": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, manifestName)), syscall.Mkfifo(filepath.Join(dir, manifestName), 0o644))
		}, manifestName},
		"a link for a file": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "vocab.txt")), os.Symlink("/etc/hostname", filepath.Join(dir, "vocab.txt")))
		}, "vocab.txt"},
		"no manifest":    {func(dir string) error { return os.Remove(filepath.Join(dir, manifestName)) }, manifestName},
		"empty manifest": {func(dir string) error { return os.Truncate(filepath.Join(dir, manifestName), 0) }, manifestName},
		"huge manifest":  {func(dir string) error { return os.Truncate(filepath.Join(dir, manifestName), 1<<40) }, manifestName},
		"newer schema":   {editManifest(func(m *schema.Manifest) { m.Schema = 99 }), manifestName},
		"other version":  {editManifest(func(m *schema.Manifest) { m.Version = "r000009-01234567" }), manifestName},
		"other round":    {editManifest(func(m *schema.Manifest) { m.Round = 3 }), manifestName},
		"other hash":     {editManifest(func(m *schema.Manifest) { m.Hash = strings.Repeat("0", 64) }), manifestName},
		"forged file":    {editManifest(func(m *schema.Manifest) { m.Files[0].SHA256 = strings.Repeat("0", 64) }), manifestName},
		"escape":         {editManifest(func(m *schema.Manifest) { m.Files[0].Name = "../../passwd" }), manifestName},
		"two of a name":  {editManifest(func(m *schema.Manifest) { m.Files[1] = m.Files[0] }), manifestName},
		"unsorted files": {editManifest(func(m *schema.Manifest) { slices.Reverse(m.Files) }), manifestName},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, t.TempDir())
			good, bad := write(t, d, 1), write(t, d, 2)
			if err := c.damage(d.Path(bad.Version)); err != nil {
				t.Fatal(err)
			}
			var corrupt *CorruptError
			_, files, err := d.Read(t.Context(), bad.Version)
			if !errors.As(err, &corrupt) || corrupt.Version != bad.Version || corrupt.File != c.file || corrupt.Reason == "" || !strings.Contains(err.Error(), c.file) || files != nil {
				t.Errorf("read: %v, want a *CorruptError of %s", err, c.file)
			}
			if found, err := d.Damaged(t.Context()); err != nil || len(found) != 1 || found[0].File != c.file {
				t.Errorf("damaged: %v (%v)", found, err)
			}
			if _, _, err := d.Read(t.Context(), good.Version); err != nil {
				t.Errorf("the other version: %v", err)
			}
			if got := versions(t, d); !slices.Contains(got, good.Version) {
				t.Errorf("versions %v lack %s", got, good.Version)
			}
			write(t, d, 2) // a repeated round repairs it
			if _, _, err := d.Read(t.Context(), bad.Version); err != nil {
				t.Errorf("after writing it again: %v", err)
			}
		})
	}
}

func editManifest(edit func(*schema.Manifest)) func(string) error {
	return func(dir string) error {
		at := filepath.Join(dir, manifestName)
		b, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		var m schema.Manifest
		if err := json.Unmarshal(b, &m); err != nil {
			return err
		}
		edit(&m)
		if b, err = json.Marshal(m); err != nil {
			return err
		}
		return os.WriteFile(at, b, 0o644)
	}
}

// Readers and a lister never see half a snapshot while others are written and deleted.
func TestDir_readersBesideWriters(t *testing.T) {
	t.Parallel() // they wait for the disk
	dir := t.TempDir()
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for w := range 2 {
		d := open(t, dir) // its own lock, as another process would have
		writers.Go(func() {
			for round := range 8 {
				m, files := sample(round) // both write the same versions
				m, err := d.Write(t.Context(), m, files)
				if err != nil {
					t.Errorf("write: %v", err)
					return
				}
				if round%3 == w {
					if err := d.Delete(t.Context(), m.Version); err != nil && !errors.Is(err, ErrNotFound) {
						t.Errorf("delete: %v", err)
					}
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				d, err := OpenDir(dir) // opening cleans, and must leave the writers' work alone
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				all, err := d.List(t.Context())
				if err != nil {
					t.Errorf("list: %v", err)
					return
				}
				for _, m := range all {
					if _, _, err := d.Read(t.Context(), m.Version); err != nil && !errors.Is(err, ErrNotFound) {
						t.Errorf("read: %v", err)
						return
					}
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

func TestDir_heedsItsContext(t *testing.T) {
	t.Parallel() // they wait for the disk
	d := open(t, t.TempDir())
	m := write(t, d, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("list: %v", err)
	}
	if _, _, err := d.Read(ctx, m.Version); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	m2, files := sample(2)
	if _, err := d.Write(ctx, m2, files); !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v", err)
	}
	if got := versions(t, d); !slices.Equal(got, []string{m.Version}) {
		t.Errorf("versions %v", got)
	}
}

func TestOpenDir_tellsWhyNot(t *testing.T) {
	t.Parallel() // they wait for the disk
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDir(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v", err)
	}
}

// Whatever stands in a manifest, listing and reading answer or report, and what is listed fits its folder.
func FuzzDir_manifest(f *testing.F) {
	m, files := sample(1)
	d := open(f, f.TempDir())
	m, err := d.Write(f.Context(), m, files)
	if err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(d.Path(m.Version), manifestName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"schema":1,"version":"` + m.Version + `","learner":"x","files":[{"name":"../x","sha256":"` + strings.Repeat("0", 64) + `"}]}`))
	f.Add([]byte(`null`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := open(t, t.TempDir())
		at := d.Path(m.Version)
		if err := errors.Join(os.Mkdir(at, 0o755), os.WriteFile(filepath.Join(at, manifestName), b, 0o644)); err != nil {
			t.Fatal(err)
		}
		all, err := d.List(t.Context())
		if err != nil || len(all) > 1 || len(all) == 1 && (all[0].Version != m.Version || hashList(all[0].Files) != all[0].Hash) {
			t.Errorf("list %+v (%v)", all, err)
		}
		var corrupt *CorruptError
		if _, _, err := d.Read(t.Context(), m.Version); !errors.As(err, &corrupt) {
			t.Errorf("read: %v", err) // its files are missing at least
		}
	})
}
