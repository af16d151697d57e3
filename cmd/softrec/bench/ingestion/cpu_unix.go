//go:build unix

package ingestion

import (
	"syscall"
	"time"
)

// cpuTime is what this process has used of its processors, embedded servers included.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
