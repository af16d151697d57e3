package trainer

import (
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// leaving says which interactions are to go: those with items, as far as they do not count. What an item got after its return stays, however
// late the journal names it.
type leaving struct {
	items  map[string]struct{}
	hidden func(id string, partition int, position int64) bool // nil: none counts
}

// interaction reports whether e is to go.
func (l leaving) interaction(e schema.Interaction) bool {
	_, ok := l.items[e.ItemID]
	return ok && (l.hidden == nil || l.hidden(e.ItemID, e.Partition, e.Offset))
}

// steps is interaction for steps in the indices of v; nil where v knows none of the items.
func (l leaving) steps(v *vocab.Vocab) func(step) bool {
	var ids []string // by index, empty for those that stay
	for id := range l.items {
		if i, ok := v.Lookup(id); ok {
			if ids == nil {
				ids = make([]string, v.Len())
			}
			ids[i] = id
		}
	}
	if ids == nil {
		return nil
	}
	return func(x step) bool {
		if int(x.Item) >= len(ids) || ids[x.Item] == "" {
			return false
		}
		return l.hidden == nil || l.hidden(ids[x.Item], int(x.Partition), x.Offset)
	}
}

// setOf returns names as a set.
func setOf(names []string) map[string]struct{} {
	set := make(map[string]struct{}, len(names))
	for _, id := range names {
		set[id] = struct{}{}
	}
	return set
}
