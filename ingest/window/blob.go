package window

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/softrec/softrec/schema"
)

// A stored window is one line per entry, oldest first:
//
//	<unix ms> \t <item> \t <type> \t <value or nothing> \t <partition>:<offset> \t <session> \t #<event id> \n
//
// Ids hold no control characters (schema.Event.Validate), so nothing needs escaping, and a plain search for
// "\t#<event id>\n" finds an event id and nothing else: only the last column is followed by a line end.

// CorruptError says that a stored window is not what the script writes.
type CorruptError struct {
	User   string // whose window
	Field  string // field of the user's hash
	Reason string // what is wrong, with its place
}

// Error reads `window of user "u", field "w": entry 3: ...`.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("window of user %q, field %q: %s", e.User, e.Field, e.Reason)
}

// maxOffset is the last offset the script can tell from its neighbours: Lua counts in float64.
const maxOffset = 1 << 53

// appendEntry appends the line of e.
func appendEntry(b []byte, e schema.Interaction) []byte {
	b = strconv.AppendInt(b, e.Timestamp.UnixMilli(), 10)
	b = append(b, '\t')
	b = append(b, e.ItemID...)
	b = append(b, '\t')
	b = append(b, e.Type...)
	b = append(b, '\t')
	if e.Value != 0 {
		b = strconv.AppendFloat(b, e.Value, 'g', -1, 64)
	}
	b = append(b, '\t')
	b = strconv.AppendInt(b, int64(e.Partition), 10)
	b = append(b, ':')
	b = strconv.AppendInt(b, e.Offset, 10)
	b = append(b, '\t')
	b = append(b, e.SessionID...)
	b = append(b, '\t', '#')
	b = append(b, e.EventID...)
	return append(b, '\n')
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

// decodeBlob reads a stored window. The entries share blob's memory.
func decodeBlob(blob string) ([]schema.Interaction, error) {
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
		Partition: partition, Offset: offset, EventID: id, SessionID: cols[5],
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
