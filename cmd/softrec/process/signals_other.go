//go:build !unix

package process

import "syscall"

// Signals that the system refuses to send: children cannot be paused here.
const (
	pauseSignal    = syscall.Signal(-1)
	continueSignal = syscall.Signal(-1)
)
