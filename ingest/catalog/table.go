package catalog

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/softrec/softrec/schema"
)

// entry is one item of a table; it is never changed.
type entry struct {
	item      schema.Item
	withdrawn bool
	version   int64         // of the catalogue, when it changed last
	since     map[int]int64 // of one that was withdrawn before: position by partition before which its interactions do not count
}

// hides reports whether an interaction with the item at a position does not count.
func (e *entry) hides(partition int, position int64) bool {
	return e.withdrawn || position < e.since[partition]
}

// table is the catalogue at one version. It is never changed once published: the next version shares base and gets a
// fresh map of its own, as long as that stays small. So a change costs the square root of the catalogue's size, and a
// reader takes no lock.
type table struct {
	version int64
	base    *layer
	fresh   map[string]*entry // wins over base
	live    int               // items not withdrawn
}

// layer is the large, old part of a table, with its live entries newest first (sorted when first asked for).
type layer struct {
	entries map[string]*entry
	gone    map[string]struct{} // ids of the withdrawn ones: an answer asks for hundreds of items, and few catalogues have many of these
	back    map[string]*entry   // those that were withdrawn before
	sorted  func() []*entry
}

func newLayer(entries map[string]*entry) *layer {
	l := &layer{entries: entries, gone: map[string]struct{}{}, back: map[string]*entry{}, sorted: sync.OnceValue(func() []*entry { return sortLive(entries) })}
	for id, e := range entries {
		if e.withdrawn {
			l.gone[id] = struct{}{}
		}
		if e.since != nil {
			l.back[id] = e
		}
	}
	return l
}

func emptyTable() *table { return &table{base: newLayer(nil)} }

// freshLimit balances copying the fresh map for every change against rebuilding the base when it is full.
func freshLimit(base int) int {
	limit := 64
	for limit*limit < 2*base {
		limit *= 2
	}
	return limit
}

func (t *table) get(id string) *entry {
	if e := t.fresh[id]; e != nil {
		return e
	}
	return t.base.entries[id]
}

// withdrawn is get's answer on that alone, from maps that are small.
func (t *table) withdrawn(id string) bool {
	if len(t.fresh) > 0 {
		if e := t.fresh[id]; e != nil {
			return e.withdrawn
		}
	}
	if len(t.base.gone) == 0 {
		return false
	}
	_, gone := t.base.gone[id]
	return gone
}

// hides is entry.hides for the item id, from maps that are small.
func (t *table) hides(id string, partition int, position int64) bool {
	if e := t.fresh[id]; e != nil {
		return e.hides(partition, position)
	}
	if _, gone := t.base.gone[id]; gone {
		return true
	}
	e := t.base.back[id]
	return e != nil && e.hides(partition, position)
}

// with returns the table after changes, at version.
func (t *table) with(version int64, changes map[string]*entry) *table {
	next := &table{version: version, base: t.base, live: t.live}
	for id, e := range changes {
		if old := t.get(id); old != nil && !old.withdrawn {
			next.live--
		}
		if !e.withdrawn {
			next.live++
		}
	}
	next.fresh = merged(t.fresh, changes)
	if len(next.fresh) > freshLimit(len(t.base.entries)) {
		next.base, next.fresh = newLayer(merged(t.base.entries, next.fresh)), nil
	}
	return next
}

func merged(old, over map[string]*entry) map[string]*entry {
	m := make(map[string]*entry, len(old)+len(over))
	maps.Copy(m, old)
	maps.Copy(m, over)
	return m
}

// newest yields the live entries, newest first.
func (t *table) newest() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		fresh := sortLive(t.fresh)
		for _, e := range t.base.sorted() {
			if t.fresh[e.item.ID] != nil {
				continue
			}
			for len(fresh) > 0 && byAge(fresh[0], e) < 0 {
				if !yield(fresh[0]) {
					return
				}
				fresh = fresh[1:]
			}
			if !yield(e) {
				return
			}
		}
		for _, e := range fresh {
			if !yield(e) {
				return
			}
		}
	}
}

func sortLive(entries map[string]*entry) []*entry {
	live := make([]*entry, 0, len(entries))
	for _, e := range entries {
		if !e.withdrawn {
			live = append(live, e)
		}
	}
	slices.SortFunc(live, byAge)
	return live
}

// byAge puts the newest first: by creation, then (many catalogues do not say) by the last change, then by id.
func byAge(a, b *entry) int {
	return cmp.Or(b.item.CreatedAt.Compare(a.item.CreatedAt), cmp.Compare(b.version, a.version), cmp.Compare(a.item.ID, b.item.ID))
}
