package window

import (
	"slices"
	"strconv"

	"github.com/softrec/softrec/schema"
)

// State is one user's window in memory: the plain form of the rules, the oracle of the script, and what the trainer
// replays. The zero value is a user nobody has seen. A State must not be copied after its first use; use Clone. It is
// not safe for concurrent use.
type State struct {
	entries []schema.Interaction // oldest first; elements below len are never changed once set
	offsets []progress           // ascending partitions; a user nearly always has one. At their end the mark of the newest tombstone
	version int64
}

// progress is the last applied offset of one partition.
type progress struct {
	partition int
	offset    int64
}

// Apply applies the records of one partition, in ascending order of offsets, and counts what became of them.
func (s *State) Apply(r Rules, partition int, recs []Record) Outcome {
	var out Outcome
	for _, rec := range recs {
		s.apply(r, partition, rec, &out)
	}
	return out
}

// ApplyOne is Apply for a single record.
func (s *State) ApplyOne(r Rules, partition int, rec Record) Outcome {
	var out Outcome
	s.apply(r, partition, rec, &out)
	return out
}

func (s *State) apply(r Rules, partition int, rec Record, out *Outcome) {
	if !s.advance(partition, rec.Offset) {
		out.Skipped++
		return
	}
	if rec.Forget {
		s.entries, s.version = nil, s.version+1
		s.markForgotten(partition, rec.Time)
		out.Forgotten++
		return
	}
	if s.before(partition, rec.Time) {
		out.Forgotten++
		return
	}
	e := rec.entry(partition)
	switch {
	case s.holds(e.EventHash):
		out.Duplicates++
	case s.late(r, e):
		out.Late++
	default:
		s.insert(e, r.Len)
		s.version++
		out.Applied++
	}
}

// advance notes offset as applied and reports whether it was new.
func (s *State) advance(partition int, offset int64) bool {
	i, known := slices.BinarySearchFunc(s.offsets, partition, func(p progress, want int) int { return p.partition - want })
	if !known {
		s.offsets = slices.Insert(s.offsets, i, progress{partition, -1})
	}
	if offset <= s.offsets[i].offset {
		return false
	}
	s.offsets[i].offset = offset
	return true
}

// holds reports whether an entry has the hash of an event id; 0 is nobody's.
func (s *State) holds(hash uint32) bool {
	if hash == 0 {
		return false
	}
	for i := range s.entries {
		if s.entries[i].EventHash == hash {
			return true
		}
	}
	return false
}

func (s *State) late(r Rules, e schema.Interaction) bool {
	n := len(s.entries)
	return n > 0 && e.Timestamp.UnixMilli() < s.entries[n-1].Timestamp.UnixMilli()-r.Lateness.Milliseconds()
}

// insert puts e behind everything that is not newer and cuts the window to keep entries.
func (s *State) insert(e schema.Interaction, keep int) {
	n := len(s.entries)
	at := n
	for at > 0 && s.entries[at-1].Timestamp.After(e.Timestamp) {
		at--
	}
	switch {
	case at < n || n == cap(s.entries):
		// A fresh array: what Entries has handed out stays as it was.
		grown := make([]schema.Interaction, 0, n+1+min(n, keep/2))
		grown = append(grown, s.entries[:at]...)
		grown = append(grown, e)
		s.entries = append(grown, s.entries[at:]...)
	default:
		s.entries = append(s.entries, e)
	}
	if over := len(s.entries) - keep; over > 0 {
		s.entries = s.entries[over:]
	}
}

// Entries returns the window, oldest first. The slice is shared and read-only; later changes of s do not show in it, so
// it may be kept as the window of this moment.
func (s *State) Entries() []schema.Interaction { return slices.Clip(s.entries) }

// Version counts the changes applied ever.
func (s *State) Version() int64 { return s.version }

// Offset returns the last applied offset of a partition, -1 before the first.
func (s *State) Offset(partition int) int64 {
	for _, p := range s.offsets {
		if p.partition == partition {
			return p.offset
		}
	}
	return -1
}

// Window returns s as the document that Store.Window reads; its entries are shared and read-only.
func (s *State) Window(user string) schema.Window {
	offsets, _ := marked(s.offsets)
	w := schema.Window{UserID: user, Version: s.version, Offsets: make(map[string]int64, len(offsets)), Entries: s.Entries()}
	for _, p := range offsets {
		w.Offsets[strconv.Itoa(p.partition)] = p.offset
	}
	if w.Entries == nil {
		w.Entries = []schema.Interaction{}
	}
	return w
}

// Clone returns an independent copy of s. It costs no copy of the entries.
func (s *State) Clone() *State {
	return &State{entries: s.Entries(), offsets: slices.Clone(s.offsets), version: s.version}
}
