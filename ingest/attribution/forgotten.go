package attribution

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// maxForgotten bounds how many of the users that were forgotten last are told apart in one bucket, as every batch writes them anew. Where more
// were, as when a range of users goes at once, what anybody was shown before the oldest of these is not taken any more: of lists that are
// read as they come, none.
const maxForgotten = 256

// gone says when users were forgotten, as long as an impression from before may come.
type gone struct {
	users  map[uint64]int64 // Unix ms by hash
	before int64            // Unix ms: of everybody; 0 for nobody
	grown  bool             // not stored like that
}

// note takes a tombstone of a time, at the latest one that a clock may be ahead.
func (g *gone) note(user string, at time.Time) {
	h := userHash(user)
	g.users[h], g.grown = max(g.users[h], at.UnixMilli()), true
}

// covers reports whether what a user was shown at a time is forgotten.
func (g *gone) covers(user string, at time.Time) bool {
	ms := at.UnixMilli()
	return ms <= g.users[userHash(user)] || ms <= g.before
}

// prune drops what was noted outside of a span of time: before it no impression counts any more; what is after it somebody noted by a clock
// that was wrong. Of too many users it keeps those that were forgotten last.
func (g *gone) prune(past, ahead time.Time) {
	from, to := past.UnixMilli(), ahead.UnixMilli()
	maps.DeleteFunc(g.users, func(_ uint64, at int64) bool { return at < from || at > to })
	if over := len(g.users) - maxForgotten; over > 0 {
		g.before = max(g.before, slices.Sorted(maps.Values(g.users))[over-1])
	}
	maps.DeleteFunc(g.users, func(_ uint64, at int64) bool { return at <= g.before })
	if g.before < from || g.before > to {
		g.before = 0
	}
}

// userHash stands for a user in totals, which name nobody.
func userHash(user string) uint64 {
	sum := sha256.Sum256([]byte("softrec forgotten\x00" + user))
	return binary.BigEndian.Uint64(sum[:8])
}
