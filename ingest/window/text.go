package window

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/softrec/softrec/schema"
)

// Builds before format 2 kept a window as text in a hash: field w is one line per entry, oldest first,
//
//	<unix ms> \t <item> \t <type> \t <value or nothing> \t <partition>:<offset> \t <session> \t #<event id> \n
//
// n the version and o:<partition> the last applied offset of a partition. Such a window is read, and replaced when it is next
// written.

// CorruptError says that a stored window is not what a Store writes.
type CorruptError struct {
	User   string // whose window
	Field  string // field of the hash of an earlier build, empty for a window of this one
	Reason string // what is wrong, with its place
}

// Error reads `window of user "u": ...`, or `window of user "u", field "w": entry 3: ...`.
func (e *CorruptError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("window of user %q: %s", e.User, e.Reason)
	}
	return fmt.Sprintf("window of user %q, field %q: %s", e.User, e.Field, e.Reason)
}

// maxOffset is the last offset that JSON readers, which count in float64, can tell from its neighbours.
const maxOffset = 1 << 53

// textOffset starts the field of a partition's offset.
const textOffset = "o:"

// stateFromText reads the hash of an earlier build. Fields it does not know are left alone.
func stateFromText(user string, fields map[string]string) (*State, error) {
	entries, err := decodeText(fields["w"])
	if err != nil {
		return nil, &CorruptError{User: user, Field: "w", Reason: err.Error()}
	}
	s := &State{entries: entries}
	for name, value := range fields {
		partition, isOffset := strings.CutPrefix(name, textOffset)
		if !isOffset && name != "n" {
			continue
		}
		v, err := strconv.ParseInt(value, 10, 64)
		p := 0
		if err == nil && isOffset {
			p, err = strconv.Atoi(partition)
		}
		if err == nil && (v < 0 || v > maxOffset || p < 0) {
			err = errors.New("is out of range")
		}
		switch {
		case err != nil:
			return nil, &CorruptError{User: user, Field: name, Reason: err.Error()}
		case isOffset:
			s.offsets = append(s.offsets, progress{p, v})
		default:
			s.version = v
		}
	}
	slices.SortFunc(s.offsets, func(a, b progress) int { return cmp.Compare(a.partition, b.partition) })
	return s, nil
}

// checkEntry refuses what would not come back from its line. Events that passed schema.Event.Validate pass.
func checkEntry(e schema.Interaction) error {
	for _, f := range [...]struct{ name, value string }{
		{"item_id", e.ItemID}, {"type", e.Type}, {"session_id", e.SessionID}, {"event_id", e.EventID},
	} {
		if strings.ContainsAny(f.value, "\t\n") {
			return fmt.Errorf("%s %q: holds a tab or a line end", f.name, f.value)
		}
	}
	if e.ItemID == "" {
		return fmt.Errorf("item_id %q: is required", e.ItemID)
	}
	if e.Timestamp.UnixMilli() < 0 {
		return fmt.Errorf("timestamp %s: lies before 1970", e.Timestamp)
	}
	if math.IsNaN(e.Value) || math.IsInf(e.Value, 0) {
		return fmt.Errorf("value %g: is not finite", e.Value)
	}
	if e.Partition < 0 || e.Offset < 0 || e.Offset > maxOffset {
		return fmt.Errorf("place %d:%d: want a partition of at least 0 and an offset of 0 to %d", e.Partition, e.Offset, int64(maxOffset))
	}
	return nil
}

// decodeText reads field w. The entries share its memory.
func decodeText(blob string) ([]schema.Interaction, error) {
	entries := make([]schema.Interaction, 0, strings.Count(blob, "\n"))
	for blob != "" {
		line, rest, ended := strings.Cut(blob, "\n")
		if !ended {
			return nil, fmt.Errorf("entry %d: %q has no line end", len(entries), shorten(line))
		}
		e, err := decodeEntry(line)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(entries), err)
		}
		if n := len(entries); n > 0 && entries[n-1].Timestamp.After(e.Timestamp) {
			return nil, fmt.Errorf("entry %d: is older than the one before it", n)
		}
		entries = append(entries, e)
		blob = rest
	}
	return entries, nil
}

func decodeEntry(line string) (schema.Interaction, error) {
	var cols [7]string
	rest, more := line, true
	for i := range cols {
		if !more {
			return schema.Interaction{}, fmt.Errorf("%q has %d columns, want 7", shorten(line), i)
		}
		cols[i], rest, more = strings.Cut(rest, "\t")
	}
	if more {
		return schema.Interaction{}, fmt.Errorf("%q has more than 7 columns", shorten(line))
	}
	ms, err := strconv.ParseInt(cols[0], 10, 64)
	if err != nil {
		return schema.Interaction{}, fmt.Errorf("timestamp: %w", err)
	}
	partition, offset, err := decodePlace(cols[4])
	if err != nil {
		return schema.Interaction{}, err
	}
	value := 0.0
	if cols[3] != "" {
		if value, err = strconv.ParseFloat(cols[3], 64); err != nil {
			return schema.Interaction{}, fmt.Errorf("value: %w", err)
		}
	}
	id, marked := strings.CutPrefix(cols[6], "#")
	if !marked {
		return schema.Interaction{}, fmt.Errorf("event id %q does not start with #", shorten(cols[6]))
	}
	e := schema.Interaction{
		ItemID: cols[1], Type: cols[2], Timestamp: time.UnixMilli(ms).UTC(), Value: value,
		Partition: partition, Offset: offset, EventHash: schema.EventHash(id), SessionID: cols[5],
	}
	return e, checkEntry(e)
}

func decodePlace(s string) (partition int, offset int64, err error) {
	p, o, ok := strings.Cut(s, ":")
	if !ok {
		return 0, 0, fmt.Errorf("place %q: want partition:offset", shorten(s))
	}
	if partition, err = strconv.Atoi(p); err != nil {
		return 0, 0, fmt.Errorf("partition: %w", err)
	}
	if offset, err = strconv.ParseInt(o, 10, 64); err != nil {
		return 0, 0, fmt.Errorf("offset: %w", err)
	}
	return partition, offset, nil
}

// shorten keeps an error readable when the stored value is not.
func shorten(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
