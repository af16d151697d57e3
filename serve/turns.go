package serve

import "sync/atomic"

// turns tells when everybody has ended who was at work at some moment. Who comes is counted in the turn that is on; a new turn
// begins once nobody of the one before is at work, so that two counters are enough. To come and go costs four atomic operations.
type turns struct {
	on     atomic.Int64
	atWork [2]atomic.Int64 // of even and of odd turns
}

// enter counts the caller in, and returns its turn for leave.
func (t *turns) enter() int64 {
	for {
		on := t.on.Load()
		t.atWork[on&1].Add(1)
		if t.on.Load() == on {
			return on
		}
		t.atWork[on&1].Add(-1) // another began meanwhile
	}
}

func (t *turns) leave(turn int64) { t.atWork[turn&1].Add(-1) }

// settled reports whether everybody has left who came before the turn that is on.
func (t *turns) settled() bool { return t.atWork[(t.on.Load()+1)&1].Load() == 0 }

// next begins another turn. Only after settled, and by one goroutine.
func (t *turns) next() { t.on.Add(1) }
