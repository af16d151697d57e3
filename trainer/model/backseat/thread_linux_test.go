package backseat

import (
	"runtime"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// standing is how nice the calling thread is; the system call answers 20 less that.
func standing(t *testing.T) int {
	t.Helper()
	v, err := syscall.Getpriority(syscall.PRIO_PROCESS, syscall.Gettid())
	if err != nil {
		t.Error(err)
	}
	return 20 - v
}

// The task stands behind; what runs afterwards, on whichever thread, does not.
func TestRun_onlyTheTaskStandsBehind(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := standing(t)
	if before >= nice {
		t.Skipf("the test itself stands at %d", before)
	}
	for range 50 {
		during := make(chan int, 1)
		go Run(func() { during <- standing(t) })
		if got := <-during; got != nice {
			t.Fatalf("the task stands at %d, want %d", got, nice)
		}
		after := make(chan int, 1)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			after <- standing(t)
		}()
		if got := <-after; got != before {
			t.Fatalf("a goroutine after it stands at %d, want %d", got, before)
		}
	}
	if got := standing(t); got != before {
		t.Errorf("the caller stands at %d, before at %d", got, before)
	}
}
