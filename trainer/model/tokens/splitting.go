package tokens

import "fmt"

// splitting says what becomes of the matches a text is split at.
type splitting string

const (
	removed            splitting = "Removed"            // they go
	isolated           splitting = "Isolated"           // each is a piece
	contiguous         splitting = "Contiguous"         // neighbours are one piece
	mergedWithPrevious splitting = "MergedWithPrevious" // each ends the piece before it
	mergedWithNext     splitting = "MergedWithNext"     // each begins the piece behind it
)

// behaviour checks the name of a splitting.
func behaviour(name string, absent splitting) (splitting, error) {
	if name == "" && absent != "" {
		return absent, nil
	}
	switch s := splitting(name); s {
	case removed, isolated, contiguous, mergedWithPrevious, mergedWithNext:
		return s, nil
	}
	return "", fmt.Errorf("behavior %q is not supported", name)
}

// stretch is a part of a text that matched, or lies between matches.
type stretch struct {
	from, to int
	match    bool
}

// apply appends the pieces of p, split at what find visits; with invert, at what lies between.
func (s splitting) apply(out []piece, p piece, invert bool, find func(visit func(from, to int))) []piece {
	var all []stretch
	done := 0
	find(func(from, to int) {
		if from > done {
			all = append(all, stretch{done, from, invert})
		}
		all = append(all, stretch{from, to, !invert})
		done = to
	})
	if done < len(p.text) {
		all = append(all, stretch{done, len(p.text), invert})
	}
	for _, t := range s.merge(all) {
		if !(s == removed && t.match) {
			out = append(out, piece{p.text[t.from:t.to], p.first && t.from == 0})
		}
	}
	return out
}

// merge joins neighbouring stretches.
func (s splitting) merge(all []stretch) []stretch {
	var out []stretch
	for i, t := range all {
		joins := false
		if i > 0 {
			before := all[i-1]
			switch s {
			case contiguous:
				joins = before.match == t.match
			case mergedWithPrevious:
				joins = t.match && !before.match
			case mergedWithNext:
				joins = before.match && !t.match
			}
		}
		if joins {
			out[len(out)-1].to = t.to
			continue
		}
		out = append(out, t)
	}
	return out
}
