// Package backend opens the tensor backend that training runs on: XLA where a PJRT plugin is at hand, else gomlx's
// own backend in pure Go, which is always compiled in.
//
// XLA needs a binary built with cgo and a plugin file at run time. Nothing is ever downloaded: Open passes absolute
// paths only, which keeps the installer of go-xla out, and switches it off besides. Without cgo the same calls work and give the Go backend.
//
// The Go backend runs its operations one after another unless Config.Sequential is switched off. Side by side they
// are up to 1.6 times as fast on an idle machine, but they can deadlock: an operation that holds a worker waits for workers
// held by others that wait too. One after another cannot, still uses all cores inside large matrix products,
// and leaves room for whoever serves in the same process. seqtrain's watchdog catches the deadlock in either mode.
//
// The package starts no goroutine and holds no state; the environment is read at each Open.
package backend
