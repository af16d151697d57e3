package generative

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Vacant is an error where dir holds something or is no folder: Pretrain would refuse it.
func Vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return errors.New("the folder is not empty")
	}
	return nil
}

// whole makes dir what build writes. It builds in a folder beside dir, which takes dir's name once it is complete and goes otherwise.
func whole(dir string, build func(dir string) error) (err error) {
	if err := Vacant(dir); err != nil {
		return fmt.Errorf("folder %q: %w", dir, err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	// No folder can be renamed to an empty one. One that cannot be removed, such as a mount, is better known of before the work.
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	beside, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".part-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(beside)) }()
	built := filepath.Join(beside, "model") // beside itself is for its owner's eyes only
	if err := build(built); err != nil {
		return err
	}
	return os.Rename(built, dir)
}
