package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// snapshotter writes and reads the snapshot file.
type snapshotter struct {
	path   string
	engine *engine
	log    *slog.Logger
	loaded bool // load found a file

	slot chan struct{} // holds one token while a snapshot is written
	mu   sync.Mutex
	next *flight // the run that has not begun, for all who ask now
}

// flight is one run of write, shared by all who asked for it before it began.
type flight struct {
	done chan struct{}
	err  error
}

func newSnapshotter(path string, e *engine, log *slog.Logger) *snapshotter {
	return &snapshotter{path: path, engine: e, log: log, slot: make(chan struct{}, 1)}
}

// sync returns when a snapshot is on the disk that was begun after the call. Of the callers that wait while one is
// written, one writes the next for all of them.
func (s *snapshotter) sync(ctx context.Context) error {
	s.mu.Lock()
	if s.next == nil {
		s.next = &flight{done: make(chan struct{})}
	}
	f := s.next
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	case s.slot <- struct{}{}:
	}
	defer func() { <-s.slot }()
	s.mu.Lock()
	mine := s.next == f
	if mine {
		s.next = nil
	}
	s.mu.Unlock()
	if mine {
		f.err = s.write()
		close(f.done)
	}
	return f.err // not mine: somebody with the slot before us took it, so it is done
}

// write makes one snapshot: a new file beside the old one, made durable, then renamed over it.
func (s *snapshotter) write() error {
	header, body, err := s.encode()
	if err == nil {
		err = replaceFile(s.path, header, body)
	}
	if err != nil {
		return fmt.Errorf("snapshot redis: %w", err)
	}
	return nil
}

// encode walks through all keys once and returns the file.
func (s *snapshotter) encode() (header, body []byte, err error) {
	enc, err := newEncoder()
	if err != nil {
		return nil, nil, err
	}
	if err := s.engine.walk(time.Now, s.log, enc.add); err != nil {
		return nil, nil, err
	}
	return enc.finish()
}

// replaceFile puts parts into path so that path holds, at any moment and after any crash, the old content or the new.
func replaceFile(path string, parts ...[]byte) (err error) {
	tmp := path + ".tmp" // the folder is locked: nobody else writes it
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err == nil {
			_, err = f.Write(p)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// load fills Redis from the file, if there is one. now decides what has expired.
func (s *snapshotter) load(now time.Time) error {
	file, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load redis: %w", err)
	}
	n := 0
	err = decodeSnapshot(file, func(en entry) error {
		n++
		return en.restore(s.engine.db, now)
	})
	if err != nil {
		return &SnapshotError{Path: s.path, Err: err}
	}
	s.loaded = true
	s.log.Info("loaded redis snapshot", "keys", n, "bytes", len(file))
	return nil
}

// SnapshotError says that the snapshot of Redis cannot be used, and what to do about it.
type SnapshotError struct {
	Path string // the file
	Err  error  // what is wrong with it
}

// Error names the file, the fault and the way out.
func (e *SnapshotError) Error() string {
	return fmt.Sprintf("redis snapshot %q is damaged: %v; restore the file from a backup, or move it away: the next start then rebuilds windows and catalogue from the events kept beside it", e.Path, e.Err)
}

// Unwrap returns what is wrong with the file.
func (e *SnapshotError) Unwrap() error { return e.Err }
