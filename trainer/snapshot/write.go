package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/softrec/softrec/schema"
)

// Write implements Store. A stored snapshot of that version that turns out to be damaged is replaced.
func (d *Dir) Write(ctx context.Context, m schema.Manifest, files map[string][]byte) (schema.Manifest, error) {
	m.Schema = schema.ManifestSchema
	m.Files = describe(files, nil)
	m.Hash = hashList(m.Files)
	m.Version = Version(m.Round, m.Hash)
	err := checkWrite(m)
	if err == nil {
		err = d.exclusive(ctx, func() (err error) {
			m, err = d.writeLocked(ctx, m, files)
			return err
		})
	}
	if err != nil {
		return schema.Manifest{}, fmt.Errorf("write snapshot %q: %w", m.Version, err)
	}
	return m, nil
}

// checkWrite reports what must not get into the folder.
func checkWrite(m schema.Manifest) error {
	if !IsVersion(m.Version) {
		return fmt.Errorf("round %d: want 0 or more", m.Round)
	}
	for _, f := range m.Files {
		if err := checkName(f.Name); err != nil {
			return err
		}
	}
	return m.Validate()
}

// checkName reports a file name that could leave the snapshot, hide in it or stand for its manifest.
func checkName(name string) error {
	if !fs.ValidPath(name) || strings.ContainsAny(name, `\:`) || name == "." || path.Clean(name) == manifestName {
		return fmt.Errorf("file name %q: want a slash-separated path below the snapshot other than %s", name, manifestName)
	}
	return nil
}

// writeLocked writes m and files, unless they are stored already.
func (d *Dir) writeLocked(ctx context.Context, m schema.Manifest, files map[string][]byte) (schema.Manifest, error) {
	old, _, err := d.Read(ctx, m.Version)
	var corrupt *CorruptError
	switch {
	case err == nil && old.Hash == m.Hash:
		return old, d.ops.syncDir(d.dir) // the earlier writer may have died between rename and sync
	case err == nil:
		return m, fmt.Errorf("the version is taken by another content, hash %s against %s", old.Hash, m.Hash)
	case errors.As(err, &corrupt):
		if err := d.discard(m.Version); err != nil {
			return m, fmt.Errorf("replace damaged snapshot: %w", err)
		}
	case !errors.Is(err, ErrNotFound):
		return m, err
	}

	temp := filepath.Join(d.dir, tempPrefix+m.Version)
	if err := d.ops.removeAll(temp); err != nil { // of a writer that died; we hold the lock
		return m, err
	}
	if err := d.fill(ctx, temp, m, files); err != nil {
		return m, errors.Join(err, d.ops.removeAll(temp))
	}
	if err := d.ops.rename(temp, filepath.Join(d.dir, m.Version)); err != nil {
		return m, errors.Join(err, d.ops.removeAll(temp))
	}
	return m, d.ops.syncDir(d.dir)
}

// fill writes everything into temp, the manifest last, and makes it durable.
func (d *Dir) fill(ctx context.Context, temp string, m schema.Manifest, files map[string][]byte) error {
	if err := d.ops.mkdir(temp); err != nil {
		return err
	}
	folders := map[string]bool{}
	for _, f := range m.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := filepath.Join(temp, filepath.FromSlash(f.Name))
		if err := d.ops.mkdir(filepath.Dir(at)); err != nil {
			return err
		}
		if err := d.ops.writeFile(at, files[f.Name]); err != nil {
			return err
		}
		for dir := path.Dir(f.Name); dir != "." && !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		if err := d.ops.syncDir(filepath.Join(temp, filepath.FromSlash(dir))); err != nil {
			return err
		}
	}
	doc, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if err := d.ops.writeFile(filepath.Join(temp, manifestName), append(doc, '\n')); err != nil {
		return err
	}
	return d.ops.syncDir(temp)
}

// Path is the folder of a version, for tools that show it; it need not exist.
func (d *Dir) Path(version string) string { return filepath.Join(d.dir, filepath.Base(version)) }

// exists reports whether a snapshot's folder is there.
func (d *Dir) exists(version string) bool {
	_, err := os.Stat(filepath.Join(d.dir, version))
	return err == nil
}
