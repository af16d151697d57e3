// Package vocab numbers item ids: item id <-> dense index, 1, 2, 3, ... in the order the items were first added. Index 0
// is padding and stands for "unknown".
//
// It owns that numbering and its text form. It promises that an index never changes its meaning while a vocabulary
// grows, that a clone is independent of its origin, and that equal vocabularies have equal bytes. A Vocab that nobody
// adds to may be read by any number of goroutines; Add needs the vocabulary to itself, so whoever publishes a growing
// vocabulary publishes a Clone. It starts no goroutine.
package vocab

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/softrec/softrec/schema"
)

// Vocab is a growing numbering of item ids. The zero value is not usable; New makes one.
type Vocab struct {
	ids   []string // ids[0] is the padding, always empty
	index map[string]int32
}

// New returns a vocabulary that holds only the padding.
func New() *Vocab {
	return &Vocab{ids: []string{""}, index: make(map[string]int32)}
}

// Add returns the index of id, giving it the next free one when it is new. An id that cannot name an item
// (schema.CheckItemID) and the item after the last possible index get 0, unknown.
func (v *Vocab) Add(id string) int32 {
	if i, ok := v.index[id]; ok {
		return i
	}
	if schema.CheckItemID(id) != nil || len(v.ids) > math.MaxInt32 {
		return 0
	}
	i := int32(len(v.ids))
	v.ids = append(v.ids, id)
	v.index[id] = i
	return i
}

// Lookup returns the index of id, or 0 and false when it is unknown.
func (v *Vocab) Lookup(id string) (int32, bool) {
	i, ok := v.index[id]
	return i, ok
}

// ID returns the item id at index i, or the empty text for the padding and for an index outside the vocabulary.
func (v *Vocab) ID(i int32) string {
	if i < 0 || int(i) >= len(v.ids) {
		return ""
	}
	return v.ids[i]
}

// Len counts the indices, the padding included: the valid item indices are 1 to Len()-1.
func (v *Vocab) Len() int { return len(v.ids) }

// Clone returns an independent copy. It costs one pass over the items; the texts themselves are shared.
func (v *Vocab) Clone() *Vocab {
	return &Vocab{ids: slices.Clone(v.ids), index: maps.Clone(v.index)}
}

// String says how many items the vocabulary holds.
func (v *Vocab) String() string { return fmt.Sprintf("vocab of %d items", v.Len()-1) }
