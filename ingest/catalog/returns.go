package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Distinct yields changes in parts, in order, none of which holds an item twice: of a part every change still stands when it was
// applied, unless somebody else has changed the item since.
func Distinct(changes []Change) iter.Seq[[]Change] {
	return func(yield func([]Change) bool) {
		for len(changes) > 0 {
			n, have := 0, make(map[string]struct{}, min(len(changes), changesPerCall))
			for n < min(len(changes), changesPerCall) {
				if _, twice := have[changes[n].ID]; twice {
					break
				}
				have[changes[n].ID] = struct{}{}
				n++
			}
			if !yield(changes[:n:n]) {
				return
			}
			changes = changes[n:]
		}
	}
}

// since returns part with the positions since which the interactions of each item count: those that are stored, or the ends of the
// topic for an item that is withdrawn and comes back. They are read before the item is written, so no interaction of somebody who
// has seen it back lies before them. A change that was applied before is skipped by the script, and so are its positions.
func (s *Store) since(ctx context.Context, part []Change) ([]Change, error) {
	var puts []int
	var ids []string
	for i, c := range part {
		if c.Item != nil {
			puts, ids = append(puts, i), append(ids, c.ID)
		}
	}
	if len(puts) == 0 {
		return part, nil
	}
	stored, err := s.rdb.HMGet(ctx, s.keys.Items(), ids...).Result()
	if err != nil {
		return part, fmt.Errorf("read what is stored: %w", err)
	}
	out := append([]Change(nil), part...)
	var ends map[int]int64
	for k, i := range puts {
		text, ok := stored[k].(string)
		if !ok {
			continue
		}
		_, doc, _ := strings.Cut(text, "\n")
		switch _, since, returned := strings.Cut(doc, "\n"); {
		case returned:
			_ = json.Unmarshal([]byte(since), &out[i].since) // what cannot be read is dropped: the item then counts from the beginning
		case doc == "" && s.ends != nil:
			if ends == nil {
				if ends, err = s.ends(ctx); err != nil {
					return part, fmt.Errorf("ask where the interactions end: %w", err)
				}
			}
			out[i].since = ends
		}
	}
	return out, nil
}

// Standing returns those of changes that withdraw an item and are the newest change of it.
func (s *Store) Standing(ctx context.Context, changes []Change) ([]Change, error) {
	return s.withdrawals(ctx, changes, func(c Change, last int64) bool { return last == c.Offset })
}

// Repeated returns those of changes that withdraw an item that is withdrawn already, by another change. It is asked before they are applied.
func (s *Store) Repeated(ctx context.Context, changes []Change) ([]Change, error) {
	return s.withdrawals(ctx, changes, func(c Change, last int64) bool { return last < c.Offset })
}

// withdrawals returns those of changes that withdraw an item that is withdrawn now and was last changed, from the partition of the
// change, where want says; -1: it never was.
func (s *Store) withdrawals(ctx context.Context, changes []Change, want func(c Change, last int64) bool) ([]Change, error) {
	var gone []Change
	var ids []string
	for _, c := range changes {
		if c.Item == nil {
			gone, ids = append(gone, c), append(ids, c.ID)
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	stored, err := s.rdb.HMGet(ctx, s.keys.Items(), ids...).Result()
	if err != nil {
		return nil, fmt.Errorf("read %d withdrawn items: %w", len(ids), err)
	}
	var out []Change
	for i, c := range gone {
		text, _ := stored[i].(string)
		places, doc, ok := strings.Cut(text, "\n")
		if _, last := takePlace(places, strconv.Itoa(c.Partition)); ok && doc == "" && want(c, last) {
			out = append(out, c)
		}
	}
	return out, nil
}
