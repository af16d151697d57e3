package trainer

import (
	"fmt"
	"path/filepath"

	"github.com/gofrs/flock"
)

// lockName is the file beside the checkpoint whose lock says that a trainer works in the folder.
const lockName = "LOCK"

// lockFolder makes the trainer's folder this trainer's own until free is called or the process ends, however it ends. Two that
// wrote one checkpoint in turn would each go on from what the other has learnt.
func lockFolder(dir string) (free func(), err error) {
	lock := flock.New(filepath.Join(dir, lockName))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the trainer's folder %q: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("the trainer's folder %q: another softrec process trains there; end it, or give this one a data_dir of its own", dir)
	}
	return func() { _ = lock.Close() }, nil // the end of the process lets go of it too
}
