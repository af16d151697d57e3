package counts

import (
	"hash/fnv"
	"slices"
)

// Bounds of the neighbours' memory: at most 50,000 profiles of 300 items (60 MB if all were full), and 4 bytes for each of at
// most 512 takers of an item. With more users than profiles who come by turns every profile would be gone when its user is back.
const (
	maxProfiles  = 50_000
	maxProfile   = 300
	maxTakers    = 512
	neighbourLen = 60 // nearest profiles that have a say
)

// neighbourDays is the half-life, in days, of a profile's say after its user's newest interaction.
const neighbourDays = 20

// profile is what one user took lately. It never changes: an update replaces it.
type profile struct {
	user   uint64 // 0 for one that was forgotten, which has no items and is no taker
	serial int32  // of its creation, which names it in takers
	last   int64  // newest interaction, Unix ms
	items  []int32
}

// neighbours remembers the profiles of the users seen last, for user-to-user recommendation.
type neighbours struct {
	profiles []*profile       // the one of a serial at serial % maxProfiles
	of       map[uint64]int32 // serial by user
	takers   [][]int32        // by item: serials of who took it first lately, newest last
	serial   int32            // of the next profile
}

// UserKey numbers a user for Observation.User. It never is 0.
func UserKey(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	return max(h.Sum64(), 1)
}

func (n *neighbours) clone() neighbours {
	c := neighbours{profiles: slices.Clone(n.profiles), takers: slices.Clone(n.takers), serial: n.serial, of: make(map[uint64]int32, len(n.of))}
	for u, s := range n.of {
		c.of[u] = s
	}
	return c
}

// take notes that user took item at ms.
func (n *neighbours) take(user uint64, item int32, ms int64) {
	if user == 0 {
		return
	}
	old := n.find(user)
	p := &profile{user: user, last: ms}
	at := -1
	if old != nil {
		p.serial, p.last = old.serial, max(ms, old.last)
		at = slices.Index(old.items, item)
		p.items = make([]int32, 0, min(len(old.items)+1, maxProfile))
		for i, x := range old.items {
			if i != at && (at >= 0 || i > 0 || len(old.items) < maxProfile) {
				p.items = append(p.items, x)
			}
		}
	} else {
		p.serial = n.newSerial(user)
	}
	p.items = append(p.items, item)
	n.profiles[p.serial%maxProfiles] = p
	if at < 0 {
		n.takers[item] = appendNewest(n.takers[item], p.serial, maxTakers)
	}
}

// Forget drops the profile of a user, by UserKey, and every trace of it. Everything else in the counts is of items alone. It takes
// a pass over the takers of all items.
func (c *Counts) Forget(user uint64) {
	n := &c.near
	p := n.find(user)
	if p == nil {
		return
	}
	c.ready.Store(nil)
	delete(n.of, user)
	n.profiles[p.serial%maxProfiles] = &profile{serial: p.serial} // the place stays taken: serials name places
	n.dropTakers(func(s int32) bool { return s == p.serial })
}

// find returns the profile of a user, nil for none.
func (n *neighbours) find(user uint64) *profile {
	if s, ok := n.of[user]; ok {
		return n.profiles[s%maxProfiles]
	}
	return nil
}

// newSerial makes room for a new profile where the oldest one was.
func (n *neighbours) newSerial(user uint64) int32 {
	s := n.serial
	if n.serial++; n.serial < 0 {
		n.serial = 0
	}
	if at := s % maxProfiles; int(at) < len(n.profiles) {
		if gone := n.profiles[at]; gone != nil {
			delete(n.of, gone.user)
		}
	} else {
		n.profiles = append(n.profiles, nil)
	}
	if n.of == nil {
		n.of = map[uint64]int32{}
	}
	n.of[user] = s
	return s
}

// appendNewest returns a new slice with s at the end and at most limit values.
func appendNewest(list []int32, s int32, limit int) []int32 {
	keep := list[max(0, len(list)-limit+1):]
	out := make([]int32, len(keep), len(keep)+1)
	copy(out, keep)
	return append(out, s)
}

// Neighbours sums into s, which it resets first, the share of the 60 profiles most like items (distinct ones of a user's
// history, at most 300 of them count) that hold an item, each profile weighed by its cosine with items and fading with
// a half-life of 20 days since its newest interaction. like is scratch and left empty.
func (c *Counts) Neighbours(items []int32, now int64, s, like *Sparse) {
	s.Reset(c.Len())
	n := &c.near
	items = items[:min(len(items), maxProfile)]
	like.Reset(len(n.profiles))
	r := c.ready.Load()
	if r == nil {
		r = newReady(c, nil)
	}
	for _, item := range items {
		if item < 1 || int(item) >= len(n.takers) {
			continue
		}
		for _, serial := range n.takers[item] {
			if at := serial % maxProfiles; r.slots[at].serial == serial {
				like.Touch(at, 1)
			}
		}
	}
	var nearest [neighbourLen]neighbour
	found := r.nearest(len(items), now, like, nearest[:0])
	total := float32(0)
	for _, p := range found {
		total += p.like
	}
	if total == 0 { // all of them lie so many years back that nothing is left
		found = nil
	}
	for _, p := range found {
		for _, item := range n.profiles[p.at].items {
			s.Touch(item, p.like/total)
		}
	}
	like.Reset(0)
}
