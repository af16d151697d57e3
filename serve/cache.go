package serve

import (
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/softrec/softrec/schema"
)

// cacheKey names everything a list depends on, so an entry is right for ever and is only dropped to make room.
type cacheKey struct {
	user      string
	window    int64
	entries   int
	partition int   // with offset: the newest entry, so that a Redis that lost its data and counts
	offset    int64 // versions from the start again cannot bring an old list back
	model     string
	catalogue int64
	query     string
	text      int64 // of the items the language model's scores in the list know of, above 0; 0 without them
}

// keyOf builds the key of a list for win under the given model, catalogue and canonical query.
func keyOf(win schema.Window, model string, catalogue int64, query string) cacheKey {
	k := cacheKey{user: win.UserID, window: win.Version, entries: len(win.Entries), model: model, catalogue: catalogue, query: query}
	if n := len(win.Entries); n > 0 {
		k.partition, k.offset = win.Entries[n-1].Partition, win.Entries[n-1].Offset
	}
	return k
}

// cache keeps the most recently asked lists, bounded by the items they hold (see weight). It holds a hundred thousand lists and more, and the
// garbage collector looks at every pointer of the heap in each cycle, which takes a processor away from the requests: so a list and
// its key are one text, and nothing else of the cache is a pointer.
type cache struct {
	capacity     int
	hits, misses atomic.Int64

	mu     sync.Mutex
	items  int
	byHash map[uint64]int32 // of the packed key; the slot
	slots  []slot           // slots[0] is the ring's head: next is the newest use, prev the oldest
	free   int32            // first of the unused slots, linked by next; 0 for none
}

// slot is one list.
type slot struct {
	list       packed
	hash       uint64
	weight     int
	prev, next int32
}

func newCache(capacity int) *cache {
	return &cache{capacity: capacity, byHash: map[uint64]int32{}, slots: make([]slot, 1)}
}

// get returns the list under k, which the caller must not change.
func (c *cache) get(k cacheKey) ([]schema.AnswerItem, bool) {
	var room [keyRoom]byte
	key := k.pack(room[:0])
	hash := xxhash.Sum64(key)
	c.mu.Lock()
	at := c.find(hash, key)
	var l packed
	if at != 0 {
		l = c.slots[at].list
		c.unlink(at)
		c.linkFirst(at)
	}
	c.mu.Unlock()
	if at == 0 {
		c.misses.Add(1)
		return nil, false
	}
	c.hits.Add(1)
	return l.unpack(), true
}

// put keeps l under k. A list larger than the whole cache is not kept, nor one with explanations: those are looked at once.
func (c *cache) put(k cacheKey, l []schema.AnswerItem) {
	w := weight(k, l)
	if w > c.capacity || !packs(l) {
		return
	}
	var room [keyRoom]byte
	key := k.pack(room[:0])
	hash, list := xxhash.Sum64(key), pack(key, l)
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.byHash[hash]; ok {
		if c.slots[at].list.under(key) {
			return // two requests computed the same list
		}
		c.drop(at) // another key of the same hash
	}
	at := c.free
	if at == 0 {
		c.slots = append(c.slots, slot{})
		at = int32(len(c.slots) - 1)
	} else {
		c.free = c.slots[at].next
	}
	c.slots[at] = slot{list: list, hash: hash, weight: w}
	c.linkFirst(at)
	c.byHash[hash] = at
	c.items += w
	for c.items > c.capacity {
		c.drop(c.slots[0].prev)
	}
}

// find returns the slot of a packed key, 0 when there is none.
func (c *cache) find(hash uint64, key []byte) int32 {
	at := c.byHash[hash]
	if at != 0 && !c.slots[at].list.under(key) {
		return 0
	}
	return at
}

func (c *cache) linkFirst(at int32) {
	first := c.slots[0].next
	c.slots[at].prev, c.slots[at].next = 0, first
	c.slots[first].prev, c.slots[0].next = at, at
}

func (c *cache) unlink(at int32) {
	prev, next := c.slots[at].prev, c.slots[at].next
	c.slots[prev].next, c.slots[next].prev = next, prev
}

func (c *cache) drop(at int32) {
	c.unlink(at)
	delete(c.byHash, c.slots[at].hash)
	c.items -= c.slots[at].weight
	c.slots[at] = slot{next: c.free}
	c.free = at
}

// forget drops every list of some users.
func (c *cache) forget(who crowd) {
	c.dropWhere(func(l packed) bool { return who.has(l.user()) })
}

// outdated drops every list of a catalogue before version: nobody can ask for it any more.
func (c *cache) outdated(version int64) {
	c.dropWhere(func(l packed) bool { return l.catalogue() < version })
}

// dropWhere looks at all lists, some at a time, so that no request waits for the whole of it.
func (c *cache) dropWhere(out func(l packed) bool) {
	for from := 1; from > 0; {
		from = c.dropSome(from, out)
	}
}

// slotsPerLook bounds how long a request may wait for a look at the lists.
const slotsPerLook = 4096

// dropSome looks at slots from one on and returns where to go on, 0 after the last.
func (c *cache) dropSome(from int, out func(l packed) bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := min(from+slotsPerLook, len(c.slots))
	for at := from; at < end; at++ {
		if l := c.slots[at].list; l != "" && out(l) {
			c.drop(int32(at))
		}
	}
	if end == len(c.slots) {
		return 0
	}
	return end
}

// size returns what the cached lists weigh together.
func (c *cache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.items
}

// itemBytes is about what an item of a list takes.
const itemBytes = 150

// weight is how many items' room l takes under k: an exclude list in the key may be longer than the list it makes.
func weight(k cacheKey, l []schema.AnswerItem) int {
	return max(1, len(l)) + (len(k.user)+len(k.query))/itemBytes
}
