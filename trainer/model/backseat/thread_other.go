//go:build !linux

package backseat

// Run runs task; this system has no standing of single threads that Go's standard library could change.
func Run(task func()) { task() }
