package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/gofrs/flock"
)

// File is the content of a keys file.
type File struct {
	Keys []Key `json:"keys"`
}

// Bounds of a keys file. They also bound the metrics by key name.
const (
	maxKeys      = 1000
	maxFileBytes = 1 << 20
)

// DecodeFile reads a keys file and reports every fault with the position of its key.
func DecodeFile(b []byte) (File, error) {
	if len(b) > maxFileBytes {
		return File{}, fmt.Errorf("the file has %d bytes: want at most %d", len(b), maxFileBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var f File
	if err := dec.Decode(&f); err != nil {
		return File{}, fmt.Errorf("not a keys file: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return File{}, errors.New("not a keys file: more follows after its end")
	}
	return f, f.check()
}

func (f File) check() error {
	var errs []error
	if len(f.Keys) > maxKeys {
		return fmt.Errorf("keys: %d of them, want at most %d", len(f.Keys), maxKeys)
	}
	seen := map[string]int{}
	for i, k := range f.Keys {
		if err := k.check(); err != nil {
			errs = append(errs, fmt.Errorf("keys[%d]: %w", i, err))
		}
		if first, dup := seen[k.ID]; dup {
			errs = append(errs, fmt.Errorf("keys[%d]: id %q: keys[%d] has it already", i, k.ID, first))
		} else {
			seen[k.ID] = i
		}
	}
	return errors.Join(errs...)
}

// ReadFile reads the keys file at path.
func ReadFile(path string) (File, error) {
	b, err := os.ReadFile(path) // #nosec G304 -- the operator names the file
	if err != nil {
		return File{}, err
	}
	f, err := DecodeFile(b)
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Edit reads the keys file at path, an absent one as empty, lets change alter it, and puts the result in its place in one
// step, readable for its owner only. Two edits at once, of this or another process, come one after the other.
func Edit(path string, change func(*File) error) (err error) {
	lock := flock.New(path + ".lock")
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	f, err := ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := change(&f); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("encode keys: %w", err)
	}
	return replace(path, append(b, '\n'))
}

// replace writes b beside path and moves it there, so that no reader sees half a file.
func replace(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write keys: %w", err), os.Remove(tmp.Name()))
	}
	return nil
}

// Revoke takes every key with the id or name who out of f and returns them.
func (f *File) Revoke(who string) []Key {
	var gone []Key
	f.Keys = slices.DeleteFunc(f.Keys, func(k Key) bool {
		match := k.ID == who || k.Name == who
		if match {
			gone = append(gone, k)
		}
		return match
	})
	return gone
}
