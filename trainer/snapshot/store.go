package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/softrec/softrec/schema"
)

// Store keeps snapshots by version. Implementations are safe for concurrent use, and show a snapshot whole or not at all.
type Store interface {
	// Write stores files under the version it derives from m.Round and their Hash, and returns m with Schema, Version, Files
	// and Hash filled in. Where that snapshot exists already it changes nothing and returns the stored manifest.
	Write(ctx context.Context, m schema.Manifest, files map[string][]byte) (schema.Manifest, error)
	// Read returns a snapshot after checking every size and hash. Errors are ErrNotFound, a *CorruptError, or a fault of
	// the storage that may pass.
	Read(ctx context.Context, version string) (schema.Manifest, map[string][]byte, error)
	// List returns the manifests of all snapshots, newest round first. A snapshot whose manifest cannot be understood is
	// left out: one damaged version must not hide the others.
	List(ctx context.Context) ([]schema.Manifest, error)
	// Delete removes a snapshot; ErrNotFound where there is none.
	Delete(ctx context.Context, version string) error
}

// ErrNotFound is the error of a version that is not stored, perhaps no longer.
var ErrNotFound = errors.New("snapshot not found")

// CorruptError says that a stored snapshot is not what was written. It does not pass by itself: keep the model you have.
type CorruptError struct {
	Version string
	File    string // name inside the snapshot
	Reason  string
}

// Error reads `snapshot "r000012-3fa9c1d2" is corrupt: counts.bin: 12 bytes, want 40`.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("snapshot %q is corrupt: %s: %s", e.Version, e.File, e.Reason)
}

// Prune deletes all snapshots but the newest keep and the protected ones, and returns what it deleted, oldest last.
// Protect the live version and those one may want to roll back to. keep is at least 1.
func Prune(ctx context.Context, s Store, keep int, protect ...string) ([]string, error) {
	if keep < 1 {
		return nil, fmt.Errorf("prune snapshots: keep %d, want at least 1", keep)
	}
	all, err := s.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("prune snapshots: %w", err)
	}
	var deleted []string
	for _, m := range all[min(keep, len(all)):] {
		if slices.Contains(protect, m.Version) {
			continue
		}
		err := s.Delete(ctx, m.Version)
		if errors.Is(err, ErrNotFound) {
			continue // somebody else pruned it
		}
		if err != nil {
			return deleted, fmt.Errorf("prune snapshots: %w", err)
		}
		deleted = append(deleted, m.Version)
	}
	return deleted, nil
}
