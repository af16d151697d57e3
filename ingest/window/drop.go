package window

import (
	"slices"

	"github.com/softrec/softrec/schema"
)

// DropWhere takes the entries out that are to go, as if they had never been applied, and reports whether there were any.
func (s *State) DropWhere(out func(schema.Interaction) bool) bool {
	if !slices.ContainsFunc(s.entries, out) {
		return false
	}
	s.entries = slices.DeleteFunc(slices.Clone(s.entries), out) // what Entries has handed out stays as it was
	s.version++
	return true
}
