package textlive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
)

// retryAfter is how long a file of vectors that cannot be written is left alone.
const retryAfter = time.Minute

// vectorFile keeps vectors by the tokens they were made of, whether or not the catalogue has such a title at the moment. Records
// are appended; a damaged one, such as a crash leaves, counts for nothing. Only places in the file are held in memory, about
// 50 bytes a record. One process writes; others read what they found. It is for one goroutine.
type vectorFile struct {
	path string
	file storage
	lock *flock.Flock // nil: another process writes
	log  *slog.Logger
	dim  int
	most int // titles that there may be; twice as many records make the file be written anew

	index map[vectorKey]place
	size  int64 // up to the end of the last whole record; 0: it has no header yet
	uses  int64 // so far
	grown bool  // since it was opened

	failing bool // and said so: vectors are missing
	retry   time.Time
}

// storage is the part of *os.File that is used.
type storage interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
}

// place is where a vector lies, and when it was used last.
type place struct{ at, used int64 }

// openVectors opens the file of a model in dir, or makes it. It is nil where another process has just begun to, and where the file can be neither
// read nor made.
func openVectors(dir, model string, dim, most int, log *slog.Logger) (*vectorFile, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of title vectors: %w", err)
	}
	sum := sha256.Sum256([]byte(model))
	path := filepath.Join(dir, hex.EncodeToString(sum[:8]))
	f := &vectorFile{path: path + ".vectors", dim: dim, most: most, log: log, index: map[vectorKey]place{}}
	f.claim(path + ".lock")
	flag := os.O_RDONLY
	if f.lock != nil {
		flag = os.O_RDWR | os.O_CREATE
	}
	file, err := os.OpenFile(f.path, flag, 0o644)
	if f.lock == nil && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		f.log.Warn("title vectors are not kept: their file cannot be opened", "file", f.path, "error", err)
		return nil, f.free()
	}
	f.file = file
	if err := f.begin(file); err != nil {
		f.log.Warn("title vectors are not kept: their file cannot be read or cut", "file", f.path, "error", err)
		return nil, f.close()
	}
	log.Info("title vectors on file", "vectors", len(f.index))
	return f, nil
}

// claim makes this process the one that writes, if none is. The end of the process lets go of the lock too.
func (f *vectorFile) claim(path string) {
	lock := flock.New(path, flock.SetPermissions(0o644))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		f.log.Warn("title vectors are read and not kept: their file cannot be locked", "file", f.path, "error", err)
	case !ok:
		f.log.Info("title vectors are read and not kept: another process keeps them", "file", f.path)
	default:
		f.lock = lock
	}
}

// begin loads the file; the one who writes drops what is damaged and what a crash left beside it.
func (f *vectorFile) begin(file io.Reader) error {
	if err := f.load(file); err != nil || f.lock == nil {
		return err
	}
	_ = os.Remove(f.path + newSuffix) // what stays is written over
	return f.file.Truncate(f.size)
}

// vector is the one on file for a text, nil for none. One that can be read no longer is forgotten.
func (f *vectorFile) vector(tokens []int32) []float32 {
	key := keyOf(tokens)
	p, ok := f.index[key]
	if !ok {
		return nil
	}
	record, err := f.record(key, p)
	if err != nil {
		delete(f.index, key)
		return nil
	}
	f.uses++
	f.index[key] = place{p.at, f.uses}
	return f.vec(record)
}

// keep puts new vectors on file. A fault is said once and holds nothing up: tidy makes up for it.
func (f *vectorFile) keep(entries []*entry) {
	if f.lock != nil && !f.failing {
		f.did(f.add(entries))
	}
}

// tidy puts on file what a fault kept from it, and shortens a file that has grown too long. What the catalogue holds never makes
// it forget: an empty one may be about to fill.
func (f *vectorFile) tidy(entries map[string]*entry) {
	if f.lock == nil || f.failing && time.Now().Before(f.retry) {
		return
	}
	var err error
	if f.failing {
		err = f.add(slices.Collect(maps.Values(entries)))
	}
	if err == nil && f.grown && f.records() > 2*f.most {
		err = f.rewrite(entries)
	}
	f.did(err)
}

// did says how writing went where that changes.
func (f *vectorFile) did(err error) {
	switch {
	case err != nil:
		if !f.failing {
			f.log.Warn("title vectors are not kept: a restart encodes these titles again", "file", f.path, "error", err)
		}
		f.failing, f.retry = true, time.Now().Add(retryAfter)
	case f.failing:
		f.failing = false
		f.log.Info("title vectors are kept again", "file", f.path)
	}
}

// add appends the vectors that are not on file.
func (f *vectorFile) add(entries []*entry) error {
	for part := range slices.Chunk(entries, 1000) { // bounds what is in memory
		var out []byte
		fresh := map[vectorKey]place{}
		if f.size == 0 {
			out = f.header()
		}
		for _, e := range part {
			if e.vec == nil {
				continue
			}
			key := keyOf(e.tokens)
			_, known := f.index[key]
			if _, twice := fresh[key]; known || twice {
				continue
			}
			f.uses++
			fresh[key] = place{f.size + int64(len(out)), f.uses}
			out = append(out, f.encode(key, e.vec)...)
		}
		if len(fresh) == 0 {
			continue
		}
		if _, err := f.file.WriteAt(out, f.size); err != nil {
			return errors.Join(err, f.file.Truncate(f.size)) // a part of a record would hide what follows it
		}
		f.size += int64(len(out))
		f.grown = true
		maps.Copy(f.index, fresh)
	}
	return nil
}

func (f *vectorFile) free() error {
	if f.lock == nil {
		return nil
	}
	return f.lock.Close()
}

func (f *vectorFile) close() error { return errors.Join(f.file.Close(), f.free()) }
