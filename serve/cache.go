package serve

import (
	"container/list"
	"sync"
	"sync/atomic"

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

// cache keeps the most recently asked lists, bounded by the items they hold (see weight).
type cache struct {
	capacity     int
	hits, misses atomic.Int64

	mu    sync.Mutex
	items int
	order *list.List // newest use first; values are *cacheEntry
	byKey map[cacheKey]*list.Element
}

type cacheEntry struct {
	key  cacheKey
	list []schema.AnswerItem
}

func newCache(capacity int) *cache {
	return &cache{capacity: capacity, order: list.New(), byKey: map[cacheKey]*list.Element{}}
}

// get returns the list under k, which the caller must not change.
func (c *cache) get(k cacheKey) ([]schema.AnswerItem, bool) {
	c.mu.Lock()
	e, ok := c.byKey[k]
	if ok {
		c.order.MoveToFront(e)
	}
	c.mu.Unlock()
	if !ok {
		c.misses.Add(1)
		return nil, false
	}
	c.hits.Add(1)
	return e.Value.(*cacheEntry).list, true
}

// put keeps l under k. A list larger than the whole cache is not kept.
func (c *cache) put(k cacheKey, l []schema.AnswerItem) {
	w := weight(k, l)
	if w > c.capacity {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[k]; ok {
		return // two requests computed the same list
	}
	c.byKey[k] = c.order.PushFront(&cacheEntry{key: k, list: l})
	c.items += w
	for c.items > c.capacity {
		oldest := c.order.Back()
		entry := c.order.Remove(oldest).(*cacheEntry)
		delete(c.byKey, entry.key)
		c.items -= weight(entry.key, entry.list)
	}
}

// forget drops every list of a user, or with all every list.
func (c *cache) forget(user string, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.byKey {
		if all || k.user == user {
			c.items -= weight(k, c.order.Remove(e).(*cacheEntry).list)
			delete(c.byKey, k)
		}
	}
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
