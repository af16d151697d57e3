package snapshot

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// operations are the steps by which a Dir changes its folder. A test stands in their way through before, which hears each
// step first and may fail it.
type operations struct {
	before func(op, path string) error
}

func (o operations) hear(op, path string) error {
	if o.before == nil {
		return nil
	}
	return o.before(op, path)
}

// mkdir makes a folder and those above it.
func (o operations) mkdir(path string) error {
	if err := o.hear("mkdir", path); err != nil {
		return err
	}
	return os.MkdirAll(path, 0o750)
}

// writeFile writes a new file and syncs it: after a rename, a power cut must not leave a name without its bytes.
func (o operations) writeFile(path string, data []byte) error {
	if err := o.hear("create", path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	err = o.hear("write", path)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = o.hear("sync", path)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes the names in a folder durable.
func (o operations) syncDir(path string) error {
	if err := o.hear("syncdir", path); err != nil {
		return err
	}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (o operations) rename(from, to string) error {
	if err := o.hear("rename", to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (o operations) removeAll(path string) error {
	if err := o.hear("remove", path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// isReadOnly reports a file system that takes no writes.
func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
