package trainer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A second trainer on the same folder ends at once and says why; the first goes on, and the folder is free once it has ended.
func TestTrainer_hasItsFolderToItself(t *testing.T) {
	b := newBench(t, stream(t, 1, 1, 20, 40, 700)[0])
	stop := b.start()
	b.topic.release(60)
	until(t, "the first answers", b.roundsDone(1))
	second := newBench(t, nil)
	second.dir = b.dir
	if err := second.run(); err == nil || !strings.Contains(err.Error(), b.dir) || !strings.Contains(err.Error(), "another softrec process trains there") {
		t.Errorf("a second trainer on the folder: %v", err)
	}
	if n := len(second.pub.rounds(t)); n != 0 {
		t.Errorf("it published %d rounds", n)
	}
	b.topic.release(200)
	until(t, "round 1 of the first", b.checkpointed(1))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.start()(); err != nil {
		t.Errorf("the folder is not free: %v", err)
	}
	info, err := os.Stat(filepath.Join(b.dir, lockName))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the lock is not the owner's alone: %v, %v", info, err)
	}
}
