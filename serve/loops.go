package serve

import (
	"context"
	"runtime/debug"
	"time"
)

// afterPanic is how long a loop rests before it goes on after a panic.
const afterPanic = time.Second

// keep runs a background loop until ctx is done. A panic in it is a fault of one part, such as the stream of the page: it is
// logged and counted, and the loop begins anew; the requests beside it go on.
func (s *Server) keep(ctx context.Context, name string, loop func(ctx context.Context)) {
	for ctx.Err() == nil {
		if !s.contained(name, func() { loop(ctx) }) {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(afterPanic):
		}
	}
}

// contained runs f and reports whether it panicked.
func (s *Server) contained(name string, f func()) (panicked bool) {
	defer func() {
		if fault := recover(); fault != nil {
			panicked = true
			s.metrics.panics.Inc()
			s.log.Error("panic in a background loop, which begins anew", "loop", name, "panic", fault, "stack", string(debug.Stack()))
		}
	}()
	f()
	return false
}
