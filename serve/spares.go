package serve

import (
	"sync"

	"github.com/softrec/softrec/schema"
)

// spares are slices for the entries of windows, of requests that were answered from a cached list: they need the entries for a moment
// only, and these were half of the memory that a busy server allocated.
type spares struct{ pool sync.Pool }

// take returns a slice to fill, or nil.
func (s *spares) take() []schema.Interaction {
	if room, ok := s.pool.Get().(*[]schema.Interaction); ok {
		return (*room)[:0]
	}
	return nil
}

// give takes a slice back that nobody reads any more. What it held is cleared: it was a user's.
func (s *spares) give(entries []schema.Interaction) {
	if cap(entries) == 0 {
		return
	}
	entries = entries[:cap(entries)]
	clear(entries)
	s.pool.Put(&entries)
}
