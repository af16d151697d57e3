package access

import (
	"fmt"
	"slices"
	"strings"
)

// Scope is a kind of act a key may allow.
type Scope string

// The scopes. Admin includes the other two; Write does not include Read, so that a key which sends events from many
// places cannot read what users did.
const (
	Read  Scope = "read"  // lists, windows, items, models, figures
	Write Scope = "write" // events, items, forgetting users
	Admin Scope = "admin" // the admin port, and what changes the server itself
)

// Scopes lists every scope there is.
func Scopes() []Scope { return []Scope{Read, Write, Admin} }

// ParseScopes reads a list of scopes and names every one that does not exist.
func ParseScopes(words []string) ([]Scope, error) {
	var all []Scope
	var bad []string
	for _, w := range words {
		s := Scope(w)
		switch {
		case !slices.Contains(Scopes(), s):
			bad = append(bad, w)
		case !slices.Contains(all, s):
			all = append(all, s)
		}
	}
	if len(bad) > 0 {
		return nil, fmt.Errorf("scopes %q: want some of read, write, admin", strings.Join(bad, ","))
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("scopes %q: want some of read, write, admin", "")
	}
	return all, nil
}

// allows reports whether scopes let somebody do what needs need.
func allows(scopes []Scope, need Scope) bool {
	return slices.Contains(scopes, need) || slices.Contains(scopes, Admin)
}
