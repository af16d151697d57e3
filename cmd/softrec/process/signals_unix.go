//go:build unix

package process

import "syscall"

const (
	pauseSignal    = syscall.SIGSTOP
	continueSignal = syscall.SIGCONT
)
