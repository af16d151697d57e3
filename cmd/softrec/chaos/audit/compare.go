package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/softrec/softrec/schema"
)

// Verdict is what a comparison of all windows found. Lost, doubled and misplaced count interactions.
type Verdict struct {
	Windows   int      `json:"windows"`       // compared
	Lost      int64    `json:"lost"`          // missing from a window, or from the count of its changes
	Doubled   int64    `json:"doubled"`       // there more than once, or counted so
	Misplaced int64    `json:"misplaced"`     // there once, in another place
	Strange   int64    `json:"strange"`       // there, and not due
	Wrong     int      `json:"wrong_windows"` // windows that differ in anything at all
	Examples  []string `json:"examples,omitempty"`
}

// Faultless reports whether nothing was found.
func (v Verdict) Faultless() bool { return v.Lost+v.Doubled+v.Misplaced+v.Strange+int64(v.Wrong) == 0 }

// mostExamples is how many windows a verdict describes.
const mostExamples = 10

// Compare asks for every user's window and compares it with what the log demands.
func (l *Ledger) Compare(ctx context.Context, window func(ctx context.Context, user string) (schema.Window, error)) (Verdict, error) {
	var v Verdict
	for _, user := range slices.Sorted(maps.Keys(l.users)) {
		got, err := window(ctx, user)
		if err != nil {
			return v, err
		}
		v.Windows++
		if fault := v.compare(l.users[user], got); fault != "" {
			v.Wrong++
			if len(v.Examples) < mostExamples {
				v.Examples = append(v.Examples, fmt.Sprintf("user %s: %s", user, fault))
			}
		}
	}
	return v, nil
}

// key is how an interaction is known again, in any window format: a retry without an event id is another interaction with the
// same key, so they are counted, not just looked for.
type key struct {
	item, typ string
	ms        int64
}

func (e entry) key() key { return key{e.item, e.typ, e.ms} }

func keyOf(e schema.Interaction) key { return key{e.ItemID, e.Type, e.Timestamp.UnixMilli()} }

// compare adds one window to the verdict and says what is wrong with it.
func (v *Verdict) compare(want *expected, got schema.Window) string {
	balance := map[key]int{}
	for _, e := range got.Entries {
		balance[keyOf(e)]++
	}
	due := map[key]bool{}
	for _, e := range want.entries {
		balance[e.key()]--
		due[e.key()] = true
	}
	var lost, doubled, strange int64
	for k, n := range balance {
		switch {
		case n < 0:
			lost -= int64(n)
		case due[k]:
			doubled += int64(n)
		default:
			strange += int64(n)
		}
	}
	// What has left the window again shows in the count of changes alone.
	if d := got.Version - want.changes; d > doubled {
		doubled = d
	} else if -d > lost {
		lost = -d
	}
	var misplaced int64
	if lost+doubled+strange == 0 {
		for i, e := range got.Entries {
			if keyOf(e) != want.entries[i].key() {
				misplaced++
			}
		}
	}
	v.Lost, v.Doubled, v.Strange, v.Misplaced = v.Lost+lost, v.Doubled+doubled, v.Strange+strange, v.Misplaced+misplaced
	switch {
	case lost+doubled+strange+misplaced > 0:
		return fmt.Sprintf("%d lost, %d doubled, %d strange, %d misplaced; version %d, want %d; %d entries, want %d",
			lost, doubled, strange, misplaced, got.Version, want.changes, len(got.Entries), len(want.entries))
	case !maps.Equal(got.Offsets, want.offsets()):
		return fmt.Sprintf("applied offsets %v, want %v", got.Offsets, want.offsets())
	}
	for i, e := range got.Entries {
		if w := want.entries[i]; e.Value != w.value || e.Partition != w.place.Partition || e.Offset != w.place.Offset {
			return fmt.Sprintf("entry %d is %+v, want %+v", i, e, w)
		}
	}
	return ""
}

// offsets are the last ones of the user's partitions, by their number as text.
func (u *expected) offsets() map[string]int64 {
	all := make(map[string]int64, len(u.homes))
	for p, off := range u.homes {
		all[strconv.Itoa(p)] = off
	}
	return all
}

// Missing counts the poison whose dead letter is not among found.
func (l *Ledger) Missing(found map[Place]bool) int {
	n := 0
	for at := range l.poison {
		if !found[at] {
			n++
		}
	}
	return n
}
