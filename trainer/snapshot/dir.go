package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/softrec/softrec/schema"
)

// Names inside the folder of a Dir. Everything that starts with a dot is not a snapshot.
const (
	manifestName = "manifest.json"
	lockName     = ".lock"
	tempPrefix   = ".tmp-"   // a snapshot being written
	trashPrefix  = ".trash-" // a snapshot being deleted
)

// lockPoll is how often a writer looks whether another one has finished.
const lockPoll = 10 * time.Millisecond

// Dir is a Store in a folder: one sub-folder a snapshot, its manifest in manifest.json. Use OpenDir.
type Dir struct {
	dir string
	ops operations
}

var _ Store = (*Dir)(nil)

// OpenDir returns the Store in dir, making the folder where it is missing. What a crashed writer left behind is removed,
// unless some process is writing at this moment. A folder that may only be read is opened as it is.
func OpenDir(dir string) (*Dir, error) { return openDir(dir, operations{}) }

func openDir(dir string, ops operations) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("open snapshot folder %q: %w", dir, err)
	}
	d := &Dir{dir: dir, ops: ops}
	if err := d.clean(); err != nil {
		return nil, fmt.Errorf("clean snapshot folder %q: %w", dir, err)
	}
	return d, nil
}

// clean removes temporary folders. Their writer held the lock: who gets the lock knows that it is gone.
func (d *Dir) clean() error {
	lock := flock.New(filepath.Join(d.dir, lockName))
	defer lock.Close()
	free, err := lock.TryLock()
	if errors.Is(err, fs.ErrPermission) || isReadOnly(err) {
		return nil
	}
	if err != nil || !free {
		return err
	}
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) || strings.HasPrefix(e.Name(), trashPrefix) {
			if err := d.ops.removeAll(filepath.Join(d.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// exclusive runs fn as the only writer of the folder.
func (d *Dir) exclusive(ctx context.Context, fn func() error) error {
	lock := flock.New(filepath.Join(d.dir, lockName))
	defer lock.Close()
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return fmt.Errorf("lock snapshot folder %q: %w", d.dir, err)
	}
	return fn()
}

// List implements Store. Damaged tells what it leaves out.
func (d *Dir) List(ctx context.Context) ([]schema.Manifest, error) {
	all, _, err := d.scan(ctx)
	return all, err
}

// Damaged reads every snapshot and returns the faults of those that are not whole.
func (d *Dir) Damaged(ctx context.Context) ([]*CorruptError, error) {
	all, bad, err := d.scan(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		_, _, err := d.Read(ctx, m.Version)
		var corrupt *CorruptError
		switch {
		case errors.As(err, &corrupt):
			bad = append(bad, corrupt)
		case err != nil && !errors.Is(err, ErrNotFound): // deleted meanwhile
			return nil, err
		}
	}
	return bad, nil
}

// scan reads the manifests of all snapshots, newest round first, and lists those it cannot understand.
func (d *Dir) scan(ctx context.Context) (all []schema.Manifest, bad []*CorruptError, err error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("list snapshots: %w", err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, nil, fmt.Errorf("list snapshots: %w", err)
		}
		if !e.IsDir() || !IsVersion(e.Name()) {
			continue
		}
		m, err := d.manifest(e.Name())
		var corrupt *CorruptError
		switch {
		case err == nil:
			all = append(all, m)
		case errors.As(err, &corrupt):
			bad = append(bad, corrupt)
		case !errors.Is(err, ErrNotFound): // deleted meanwhile
			return nil, nil, err
		}
	}
	slices.SortFunc(all, func(a, b schema.Manifest) int {
		return cmp.Or(cmp.Compare(b.Round, a.Round), b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.Version, a.Version))
	})
	return all, bad, nil
}

// Delete implements Store. The snapshot goes out of sight in one step; a reader in the midst of it gets ErrNotFound.
func (d *Dir) Delete(ctx context.Context, version string) error {
	if !IsVersion(version) {
		return fmt.Errorf("delete snapshot %q: %w", version, ErrNotFound)
	}
	err := d.exclusive(ctx, func() error { return d.discard(version) })
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delete snapshot %q: %w", version, err)
	}
	return nil
}

// discard moves a snapshot out of sight and then removes it.
func (d *Dir) discard(version string) error {
	trash := filepath.Join(d.dir, trashPrefix+version)
	if err := d.ops.removeAll(trash); err != nil { // of a deletion that was cut short
		return err
	}
	if err := d.ops.rename(filepath.Join(d.dir, version), trash); err != nil {
		return err
	}
	if err := d.ops.syncDir(d.dir); err != nil {
		return err
	}
	return d.ops.removeAll(trash)
}
