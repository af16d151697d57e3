package backseat

import (
	"runtime"
	"syscall"
)

// nice is how far behind: such a thread gets about a tenth of the processor that another one wants too, and all of one that is idle.
const nice = 10

// Run runs task on a thread of its own that stands behind all others, and returns after it. What task starts in other goroutines is
// not behind. The thread ends with the calling goroutine, as its standing cannot be given back: call it first thing in a goroutine made for it.
func Run(task func()) {
	runtime.LockOSThread() // never unlocked: the thread dies with its goroutine
	// A thread that the system leaves where it is does the same work, only less politely.
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), nice)
	task()
}
