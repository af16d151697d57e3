package embedded

// growth is what a walk knows of keys that come while it is under way. The zero pointer is that of nobody walking. engine.mu guards it.
type growth struct {
	known map[string]struct{} // keys that were listed, or have come
	came  map[string][]string // by tag that was listed and is not read yet: keys that have come
}

func newGrowth(listed []string) *growth {
	g := &growth{known: make(map[string]struct{}, len(listed)), came: make(map[string][]string, len(listed))}
	for _, k := range listed {
		g.known[k], g.came[hashTag(k)] = struct{}{}, nil
	}
	return g
}

// note takes the words of a command that changes something: whatever keys it makes are among them. Those of new tags are no concern of the
// walk: they are acknowledged after the snapshot was asked for. Nor are those of tags that are read.
func (g *growth) note(words []string) {
	if g == nil {
		return
	}
	for _, w := range words {
		tag := hashTag(w)
		came, unread := g.came[tag]
		if _, known := g.known[w]; unread && !known {
			g.known[w], g.came[tag] = struct{}{}, append(came, w)
		}
	}
}

// take returns the keys that are to be read for listed, all keys of some tags in order: these, and what has come to their tags.
func (g *growth) take(listed []string) []string {
	all := listed[:len(listed):len(listed)]
	for _, k := range listed {
		tag := hashTag(k)
		all = append(all, g.came[tag]...)
		delete(g.came, tag)
	}
	return all
}
