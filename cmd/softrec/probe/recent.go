package probe

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/softrec/softrec/schema"
)

// Recent remembers the users and items of the newest events, to ask about users who are active now and to click on
// items that others click on. It is safe for concurrent use.
type Recent struct {
	mu    sync.Mutex
	users []string
	items []string
	next  int
	size  int

	newest time.Time // of the events
	heard  time.Time // when it came, by the wall clock
}

// NewRecent remembers the newest size events, at least 1.
func NewRecent(size int) *Recent { return &Recent{size: max(size, 1)} }

// Observe takes note of e.
func (r *Recent) Observe(e schema.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Timestamp.After(r.newest) {
		r.newest, r.heard = e.Timestamp, time.Now()
	}
	if len(r.users) < r.size {
		r.users, r.items = append(r.users, e.UserID), append(r.items, e.ItemID)
		return
	}
	r.users[r.next], r.items[r.next] = e.UserID, e.ItemID
	r.next = (r.next + 1) % r.size
}

// Now is what time it is among the events: that of the newest one and what has passed since. Before the first it is the wall
// clock's. A click that comes with this time lies where the log is: by the wall clock it might lie months after it, and
// everything that fades with time would have faded for what the log brings next.
func (r *Recent) Now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.newest.IsZero() {
		return time.Now()
	}
	return r.newest.Add(time.Since(r.heard))
}

// Pick draws a user and an item, not of the same event; it reports false before the first event.
func (r *Recent) Pick(rng *rand.Rand) (user, item string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.users) == 0 {
		return "", "", false
	}
	return r.users[rng.IntN(len(r.users))], r.items[rng.IntN(len(r.items))], true
}
