package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// done marks a snapshot whose files are all there and were checked.
const done = ".softrec-complete"

// pinned returns the revision if it is a commit.
func (s *session) pinned() string {
	if commitID.MatchString(s.revision) {
		return s.revision
	}
	return ""
}

// known returns the commit a revision had when the hub was last asked; "" when it never was.
func (s *session) known() string {
	if commit := s.pinned(); commit != "" {
		return commit
	}
	text, err := os.ReadFile(s.ref())
	if err != nil || !commitID.MatchString(strings.TrimSpace(string(text))) {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// ref is the file that keeps the commit of a branch or tag.
func (s *session) ref() string {
	return filepath.Join(s.root, "refs", strings.ReplaceAll(s.revision, "/", "--"))
}

// complete returns the folder of a commit if all of it was fetched and is still there. done lists the files with their sizes; an empty one, as it
// was once, says that they were.
func (s *session) complete(commit string) (string, bool) {
	dir := filepath.Join(s.root, "snapshots", commit)
	text, err := os.ReadFile(filepath.Join(dir, done))
	if err != nil {
		return dir, false
	}
	if len(text) == 0 {
		return dir, true
	}
	var sizes map[string]int64
	if json.Unmarshal(text, &sizes) != nil {
		return dir, false
	}
	for name, size := range sizes {
		if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err != nil || info.Size() != size {
			s.log.Warn("a file of the cached model is not what was fetched", "file", filepath.Join(dir, name))
			return dir, false
		}
	}
	return dir, true
}

// fetchAll makes the snapshot of a listing complete. Of several processes that want one model, one fetches and the others wait.
func (s *session) fetchAll(ctx context.Context, l listing) (string, error) {
	if err := os.MkdirAll(filepath.Join(s.root, "refs"), 0o755); err != nil {
		return "", err
	}
	lock := flock.New(filepath.Join(s.root, ".lock"))
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return "", fmt.Errorf("wait for another download of the model: %w", err)
	}
	defer func() { _ = lock.Unlock() }() // closing the file unlocks it at the latest
	dir, ok := s.complete(l.commit)
	if !ok {
		sizes := map[string]int64{}
		for _, f := range l.files {
			if err := s.fetch(ctx, f, dir); err != nil {
				return "", fmt.Errorf("fetch %s: %w", f.name, err)
			}
			sizes[f.name] = f.size
		}
		text, err := json.Marshal(sizes)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, done), text, 0o644); err != nil {
			return "", err
		}
		s.log.Info("model fetched", "model", s.id, "revision", s.revision, "commit", l.commit, "files", len(l.files), "dir", dir)
	}
	return dir, os.WriteFile(s.ref(), []byte(l.commit), 0o644)
}

// link gives a blob its name in a snapshot, as a relative link so that a cache can be moved.
func link(blob, place string) error {
	target, err := filepath.Rel(filepath.Dir(place), blob)
	if err != nil {
		return err
	}
	if err := os.Remove(place); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(target, place)
}
